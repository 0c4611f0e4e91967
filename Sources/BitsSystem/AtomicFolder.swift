/// A folder in the making: it appears under its name with all its files, or not at all.
///
/// Files are written into a temporary sibling, ``workPath``. ``commit()`` renames it to `path`; a folder that is dropped without a commit is
/// removed with what is in it, also when an interruption stops the writing. What a process that was killed left of `path` is removed by the next one
/// to write it.
package struct AtomicFolder: ~Copyable {
    package let path: String
    /// Where to write until the commit.
    package let workPath: String
    private var isOpen = true
    private let hold = ProcessSignals.Hold()
    private let note: SignalNote

    /// Makes the temporary sibling of `path`.
    ///
    /// - Throws: ``FileError`` when `path` exists (unless it is an empty folder), or the folder around it is not there or not writable.
    package init(path: String) throws(FileError) {
        let path = FileSystem.withoutTrailingSlash(path)
        switch FileSystem.kind(of: path) {
        case .missing: break
        case .folder where try FileSystem.names(in: path).isEmpty: break
        case .unknown(let code): throw FileError(writing: path, errno: code)
        default: throw FileError(path: path, message: "already exists; name a new folder or remove this one", code: EEXIST)
        }
        if FileSystem.isLink(path) {
            throw FileError(path: path, message: "is a symbolic link, which a new folder cannot replace; name the folder itself", code: ENOTDIR)
        }
        FileSystem.removeAbandonedSiblings(of: path)
        let workPath = FileSystem.temporarySibling(of: path)
        guard unsafe mkdir(workPath, 0o777) == 0 else { throw FileError(writing: path, errno: errno) }
        self.path = path
        self.workPath = workPath
        note = SignalNote(unfinished: workPath)
    }

    deinit {
        if isOpen { FileSystem.removeFolder(workPath) }
    }

    /// Makes the folder appear under its name.
    package consuming func commit() throws(FileError) {
        try hold.check(writing: path)
        try FileSystem.sync(folder: workPath)
        guard unsafe rename(workPath, path) == 0 else { throw FileError(writing: path, errno: errno) }
        isOpen = false
        try FileSystem.sync(folder: FileSystem.parent(of: path))
    }
}
