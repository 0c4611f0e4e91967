public import BitsQuant

/// What is wrong with the entries that a layer is to be made of, or with a request to change a module.
public enum LayerError: Error, Equatable, Sendable {
    /// An entry that the layer needs is not there.
    case missingEntry(String)
    /// An entry of another shape or type than the layer's.
    case unsuitableEntry(String, expected: String, found: String)
    /// The quantized weight of the module at this path cannot be made of its entries.
    case unreadableWeight(of: String, QuantizationError)
    /// No parameter has this name; these are there.
    case unknownParameter(String, known: [String])
    /// This name is a module's, or that of a weight which is quantized already.
    case notAParameter(String)
}

extension LayerError {
    /// What `body` returns; an error of it with the names in full.
    static func within<R>(_ path: String, _ body: () throws -> R) throws -> R {
        do {
            return try body()
        } catch let error as LayerError {
            throw error.within(path)
        } catch let error as QuantizationError {
            throw LayerError.unreadableWeight(of: path, error)
        }
    }

    private func within(_ path: String) -> LayerError {
        if path.isEmpty { return self }
        switch self {
        case .missingEntry(let name): return .missingEntry("\(path).\(name)")
        case .unsuitableEntry(let name, let expected, let found): return .unsuitableEntry("\(path).\(name)", expected: expected, found: found)
        case .unknownParameter, .notAParameter: return self
        case .unreadableWeight(let name, let error): return .unreadableWeight(of: name.isEmpty ? path : "\(path).\(name)", error)
        }
    }
}

extension LayerError: CustomStringConvertible {
    public var description: String {
        switch self {
        case .missingEntry(let name): "'\(name)' is missing; the checkpoint is of another model, or only a part of it"
        case .unsuitableEntry(let name, let expected, let found):
            "'\(name)' is \(found), not \(expected); the checkpoint is of another model, or is quantized otherwise"
        case .unreadableWeight(let path, let error): "'\(path)': \(error)"
        case .unknownParameter(let name, let known):
            "there is no parameter '\(name)'; the module has \(known.isEmpty ? "none" : known.joined(separator: ", "))"
        case .notAParameter(let name): "'\(name)' is no parameter; name a weight in floating point"
        }
    }
}
