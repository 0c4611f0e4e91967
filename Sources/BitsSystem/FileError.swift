/// A file that could not be read or written.
public struct FileError: Error, Equatable, Sendable, CustomStringConvertible {
    public var path: String
    /// What went wrong and what to do, in words.
    public var message: String
    /// The system's error number; 0 when the system did not object.
    public var code: Int32

    public init(path: String, message: String, code: Int32 = 0) {
        self.path = path
        self.message = message
        self.code = code
    }

    package init(reading path: String, errno code: Int32) {
        self.init(path: path, message: "cannot be read: \(FileError.reason(code))", code: code)
    }

    package init(writing path: String, errno code: Int32) {
        self.init(path: path, message: "cannot be written: \(FileError.reason(code)); nothing was left behind", code: code)
    }

    /// Of a file that is written over several runs.
    package init(adding path: String, errno code: Int32) {
        self.init(path: path, message: "cannot be written: \(FileError.reason(code)); what is there stays, run again to go on from there", code: code)
    }

    /// Whether what was missing is memory.
    public var isLackOfMemory: Bool { code == ENOMEM }

    private static func reason(_ code: Int32) -> String {
        if code == ENOMEM { return "there is not enough memory; use a smaller model, or raise the limit (ulimit -v)" }
        return unsafe String(cString: strerror(code))
    }

    public var description: String { "\(path): \(message)" }
}
