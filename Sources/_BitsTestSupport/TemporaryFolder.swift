import BitsKernels
import BitsSystem

/// A folder for one test, removed with what is in it.
package final class TemporaryFolder {
    package let path: String

    package init() throws {
        path = "\(FileSystem.temporaryFolder)/bits-\(UInt64.random(in: 0 ... .max))"
        try FileSystem.makeFolder(path)
    }

    deinit { FileSystem.removeFolder(path) }

    /// Puts `bytes` into the file `name`, making folders on the way, and gives its path.
    @discardableResult package func write(_ bytes: [UInt8], as name: String) throws -> String {
        var folder = path
        for part in name.split(separator: "/").dropLast() {
            folder += "/\(part)"
            if FileSystem.kind(of: folder) == .missing { try FileSystem.makeFolder(folder) }
        }
        try AtomicFile.write(bytes, to: "\(path)/\(name)")
        return "\(path)/\(name)"
    }

    @discardableResult package func write(_ text: String, as name: String) throws -> String { try write(Array(text.utf8), as: name) }

    package func bytes(of name: String) throws -> [UInt8] {
        let file = try MappedFile(path: "\(path)/\(name)")
        return file.bytes(in: 0..<file.byteCount)
    }

    package func text(of name: String) throws -> String { String(decoding: try bytes(of: name), as: UTF8.self) }

    package var names: [String] { get throws { try FileSystem.names(in: path) } }
}
