/// Keeps a folder to one process as long as it exists; the system lets go of it when the process ends, however it ends.
package final class FolderLock: Sendable {
    private let descriptor: Int32

    /// - Throws: ``FileError`` when another process, or this one, has locked the folder, or it is not there.
    package init(path: String) throws(FileError) {
        let descriptor = unsafe open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
        guard descriptor >= 0 else { throw FileError(reading: path, errno: errno) }
        guard flock(descriptor, LOCK_EX | LOCK_NB) == 0 else {
            let code = errno
            close(descriptor)
            guard code == EWOULDBLOCK else { throw FileError(reading: path, errno: code) }
            throw FileError(path: path, message: "is in use by another run; wait for its end, or name another folder", code: code)
        }
        self.descriptor = descriptor
    }

    deinit { close(descriptor) }
}
