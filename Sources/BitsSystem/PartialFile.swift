/// A file that is fetched part by part, perhaps in several runs, and kept from others meanwhile.
package final class PartialFile {
    private let path: String
    private let descriptor: Int32
    /// What is there.
    package private(set) var byteCount: Int

    /// Opens the file at `path`, with what an earlier run left.
    package init(path: String) throws(FileError) {
        self.path = path
        descriptor = unsafe open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0o666)
        guard descriptor >= 0 else { throw FileError(writing: path, errno: errno) }
        byteCount = Int(lseek(descriptor, 0, SEEK_END))
    }

    deinit { close(descriptor) }

    package func append(_ bytes: [UInt8]) throws(FileError) {
        try FileSystem.write(bytes, to: descriptor, onPart: { byteCount += $0 }, error: { FileError(adding: path, errno: $0) })
    }

    /// Begins again.
    package func empty() throws(FileError) {
        guard ftruncate(descriptor, 0) == 0, lseek(descriptor, 0, SEEK_SET) == 0 else { throw FileError(writing: path, errno: errno) }
        byteCount = 0
    }

    /// Puts the file on disk, and under its name.
    package func finish(as name: String) throws(FileError) {
        guard fsync(descriptor) == 0, unsafe rename(path, name) == 0 else { throw FileError(writing: name, errno: errno) }
    }
}

/// A file that one process at a time may hold, as other programs do that use the same one.
package final class FileLock {
    private let descriptor: Int32

    /// Waits until nobody else holds the file at `path`, which is made where it is missing.
    ///
    /// - Parameter onWait: is called once where there is somebody to wait for.
    package init(path: String, onWait: () -> Void = {}) throws(FileError) {
        descriptor = unsafe open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0o666)
        guard descriptor >= 0 else { throw FileError(writing: path, errno: errno) }
        if flock(descriptor, LOCK_EX | LOCK_NB) == 0 { return }
        onWait()
        while flock(descriptor, LOCK_EX) != 0 {
            // A file system without locks: better together than not at all.
            if errno != EINTR { return }
        }
    }

    deinit { close(descriptor) }
}

extension FileSystem {
    /// Makes `path` a link to `target`, in the place of what is there.
    package static func link(_ path: String, to target: String) throws(FileError) {
        let temporary = temporarySibling(of: path)
        guard unsafe symlink(target, temporary) == 0 else { throw FileError(writing: path, errno: errno) }
        guard unsafe rename(temporary, path) == 0 else {
            let code = errno
            removeFile(temporary)
            throw FileError(writing: path, errno: code)
        }
    }
}
