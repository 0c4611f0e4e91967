internal import BitsSystem

/// Text that a user names: a file, a pipe, or `-` for standard input.
package enum TextInput {
    /// - Throws: ``ModelFileError/system(_:)`` when it cannot be read, ``ModelFileError/malformed(path:_:)`` when it is not UTF-8.
    package static func read(_ path: String) throws(ModelFileError) -> String {
        let bytes: [UInt8]
        do { bytes = try FileSystem.contents(of: path) } catch { throw .system(error) }
        guard let text = String(validating: bytes, as: UTF8.self) else {
            throw .malformed(path: path == "-" ? "standard input" : path, "is not text in UTF-8; convert it first")
        }
        return text
    }
}
