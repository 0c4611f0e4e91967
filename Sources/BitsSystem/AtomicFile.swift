/// A file in the making: it appears under its name whole and on disk, or not at all.
///
/// Bytes go to a temporary sibling. ``commit()`` syncs it, renames it over `path` and syncs the folder; a file that is dropped without a commit,
/// or whose write fails or is interrupted, leaves nothing behind. What a process that was killed left of `path` is removed by the next one to write it.
package struct AtomicFile: ~Copyable {
    package let path: String
    private let temporary: String
    private var descriptor: Int32
    private let hold = ProcessSignals.Hold()
    private let note: SignalNote

    /// Opens the temporary sibling of `path`.
    ///
    /// - Throws: ``FileError`` when the folder is not there or not writable.
    package init(path: String) throws(FileError) {
        self.path = path
        FileSystem.removeAbandonedSiblings(of: path)
        temporary = FileSystem.temporarySibling(of: path)
        note = SignalNote(unfinished: temporary)
        descriptor = unsafe open(temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0o666)
        guard descriptor >= 0 else { throw FileError(writing: path, errno: errno) }
    }

    deinit {
        guard descriptor >= 0 else { return }
        close(descriptor)
        unsafe _ = unlink(temporary)
    }

    /// Appends `bytes`.
    package mutating func write(_ bytes: RawSpan) throws(FileError) {
        var done = 0
        while done < bytes.byteCount {
            try hold.check(writing: path)
            // One call writes at most 2 GB; 1 GB at a time keeps clear of that.
            let part = bytes.extracting(done..<min(bytes.byteCount, done + 1 << 30))
            let descriptor = descriptor
            let count = unsafe part.withUnsafeBytes { unsafe BitsSystem.write(descriptor, $0.baseAddress, $0.count) }
            if count < 0 {
                if errno == EINTR { continue }
                throw FileError(writing: path, errno: errno)
            }
            done += count
        }
    }

    /// Appends `bytes`.
    package mutating func write(_ bytes: [UInt8]) throws(FileError) { try bytes.withBytes { (bytes) throws(FileError) in try write(bytes) } }

    /// Makes the file appear under its name.
    package consuming func commit() throws(FileError) {
        try hold.check(writing: path)
        guard fsync(descriptor) == 0, unsafe rename(temporary, path) == 0 else { throw FileError(writing: path, errno: errno) }
        close(descriptor)
        descriptor = -1
        try FileSystem.sync(folder: FileSystem.parent(of: path))
    }
}

extension AtomicFile {
    /// Writes a whole file at once.
    package static func write(_ bytes: [UInt8], to path: String) throws(FileError) {
        var file = try AtomicFile(path: path)
        try file.write(bytes)
        try file.commit()
    }
}
