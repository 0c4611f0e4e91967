/// A file that grows at its end: whoever reads it sees every line as soon as it is written.
package final class AppendedFile: Sendable {
    package let path: String
    private let descriptor: Int32

    /// Opens the file at `path`, or makes it.
    package init(path: String) throws(FileError) {
        self.path = path
        descriptor = unsafe open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0o666)
        guard descriptor >= 0 else {
            throw FileError(path: path, message: "cannot be written: \(unsafe String(cString: strerror(errno)))", code: errno)
        }
    }

    deinit { close(descriptor) }

    /// Appends `bytes`, all of them or, where the disk is full, the first of them.
    package func write(_ bytes: [UInt8]) throws(FileError) {
        var done = 0
        while done < bytes.count {
            let count = unsafe bytes.withUnsafeBytes { unsafe BitsSystem.write(descriptor, $0.baseAddress! + done, $0.count - done) }
            if count < 0 {
                if errno == EINTR { continue }
                throw FileError(path: path, message: "cannot be written: \(unsafe String(cString: strerror(errno)))", code: errno)
            }
            done += count
        }
    }
}
