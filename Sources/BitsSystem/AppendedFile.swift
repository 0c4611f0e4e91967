/// A file that grows at its end: whoever reads it sees every line as soon as it is written.
package final class AppendedFile: Sendable {
    package let path: String
    private let descriptor: Int32

    /// Opens the file at `path`, or makes it.
    package init(path: String) throws(FileError) {
        self.path = path
        descriptor = unsafe open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0o666)
        guard descriptor >= 0 else { throw AppendedFile.error(path, errno) }
    }

    deinit { close(descriptor) }

    /// Appends `bytes`, all of them or, where the disk is full, the first of them.
    package func write(_ bytes: [UInt8]) throws(FileError) {
        try FileSystem.write(bytes, to: descriptor) { AppendedFile.error(path, $0) }
    }

    private static func error(_ path: String, _ code: Int32) -> FileError {
        FileError(path: path, message: "cannot be written: \(unsafe String(cString: strerror(code)))", code: code)
    }
}
