public import BitsCore

/// Why a model's files could not be read or written.
public enum ModelFileError: Error, Equatable, Sendable {
    /// The system refused, or a file or folder is not there.
    case system(FileError)
    /// The contents break the rules of their format; the text says what was expected, what came and what to do.
    case malformed(path: String, String)
    /// The contents are in order but ask for something that is not implemented, which the text names.
    case unsupported(path: String, String)
    /// The device could not take or give the bytes.
    case device(DeviceError)
}

extension ModelFileError {
    /// What `error` says of the file at `path`: itself where it is of this kind, and the device's fault where it is one.
    ///
    /// - Parameter part: what in the file was at fault, if that is to be named.
    package init(_ error: any Error, path: String, part: String? = nil) {
        switch error {
        case let error as ModelFileError: self = error
        case let error as DeviceError: self = .device(error)
        default: self = .malformed(path: path, "\(part.map { "\($0): " } ?? "")\(error)")
        }
    }

    /// Several faults of one kind in one error: the first twenty are listed, the others counted.
    package static func problems(_ problems: [String], path: String, _ title: String) -> ModelFileError {
        let more = problems.count > 20 ? ["and \(problems.count - 20) more"] : []
        return .malformed(path: path, ([title] + problems.prefix(20) + more).joined(separator: "\n  "))
    }
}

extension ModelFileError: CustomStringConvertible {
    public var description: String {
        switch self {
        case .system(let error): error.description
        case .malformed(let path, let reason), .unsupported(let path, let reason): "\(path): \(reason)"
        case .device(let error): error.description
        }
    }
}
