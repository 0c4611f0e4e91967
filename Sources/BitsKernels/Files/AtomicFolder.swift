import Glibc

/// A folder in the making: it appears under its name with all its files, or not at all.
///
/// Files are written into a temporary sibling, ``workPath``. ``commit()`` renames it to `path`; a folder that is dropped without a commit is
/// removed with what is in it.
package struct AtomicFolder: ~Copyable {
    package let path: String
    /// Where to write until the commit.
    package let workPath: String
    private var isOpen = true

    /// Makes the temporary sibling of `path`.
    ///
    /// - Throws: ``FileError`` when `path` exists (unless it is an empty folder), or the folder around it is not there or not writable.
    package init(path: String) throws(FileError) {
        let path = FileSystem.withoutTrailingSlash(path)
        if FileSystem.kind(of: path) != .missing {
            guard FileSystem.kind(of: path) == .folder, try FileSystem.names(in: path).isEmpty else {
                throw FileError(path: path, message: "already exists; name a new folder or remove this one", code: EEXIST)
            }
        }
        let workPath = FileSystem.temporarySibling(of: path)
        guard unsafe mkdir(workPath, 0o777) == 0 else { throw FileError(writing: path, errno: errno) }
        self.path = path
        self.workPath = workPath
    }

    deinit {
        if isOpen { FileSystem.removeFolder(workPath) }
    }

    /// Makes the folder appear under its name.
    package consuming func commit() throws(FileError) {
        try FileSystem.sync(folder: workPath)
        guard unsafe rename(workPath, path) == 0 else { throw FileError(writing: path, errno: errno) }
        isOpen = false
        try FileSystem.sync(folder: FileSystem.parent(of: path))
    }
}
