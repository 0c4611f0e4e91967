import Glibc

/// Questions to the file system, and the paths that atomic writes need.
package enum FileSystem {
    package enum Kind: Sendable { case missing, file, folder, other }

    /// What is at `path`; links are followed.
    package static func kind(of path: String) -> Kind {
        var status = stat()
        guard unsafe stat(path, &status) == 0 else { return .missing }
        return switch status.st_mode & S_IFMT {
        case S_IFREG: .file
        case S_IFDIR: .folder
        default: .other
        }
    }

    /// The names in a folder, sorted.
    package static func names(in folder: String) throws(FileError) -> [String] {
        guard let stream = unsafe opendir(folder) else { throw FileError(reading: folder, errno: errno) }
        defer { unsafe closedir(stream) }
        var names = [String]()
        while let entry = unsafe readdir(stream) {
            let name = unsafe withUnsafePointer(to: &entry.pointee.d_name) { pointer in
                unsafe pointer.withMemoryRebound(to: CChar.self, capacity: 256) { unsafe String(cString: $0) }
            }
            if name != "." && name != ".." { names.append(name) }
        }
        return names.sorted()
    }

    /// Makes a folder; its parent must be there.
    package static func makeFolder(_ path: String) throws(FileError) {
        guard unsafe mkdir(path, 0o777) == 0 else { throw FileError(writing: path, errno: errno) }
    }

    /// Removes a file; nothing happens when it is not there.
    package static func removeFile(_ path: String) { unsafe _ = unlink(path) }

    /// Removes a folder and what is in it; links are removed, not followed.
    package static func removeFolder(_ path: String) {
        for name in (try? names(in: path)) ?? [] {
            let inner = "\(path)/\(name)"
            if unsafe unlink(inner) != 0 { removeFolder(inner) }
        }
        unsafe _ = rmdir(path)
    }

    /// Puts a folder's list of names on disk. File systems that cannot are left alone.
    package static func sync(folder: String) throws(FileError) {
        let descriptor = unsafe open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
        guard descriptor >= 0 else { return }
        defer { close(descriptor) }
        if fsync(descriptor) != 0 && errno == EIO { throw FileError(writing: folder, errno: errno) }
    }

    /// The value of an environment variable, nil when it is not set or empty.
    package static func environment(_ name: String) -> String? {
        guard let value = unsafe getenv(name) else { return nil }
        let text = unsafe String(cString: value)
        return text.isEmpty ? nil : text
    }

    package static func parent(of path: String) -> String {
        guard let slash = path.lastIndex(of: "/") else { return "." }
        return slash == path.startIndex ? "/" : String(path[..<slash])
    }

    package static func withoutTrailingSlash(_ path: String) -> String {
        var path = path
        while path.count > 1 && path.hasSuffix("/") { path.removeLast() }
        return path
    }

    /// A name beside `path` that no one else uses: hidden, with the process and a random number in it.
    static func temporarySibling(of path: String) -> String {
        let name = path.split(separator: "/", omittingEmptySubsequences: true).last.map(String.init) ?? "file"
        let random = String(UInt32.random(in: 0 ... .max), radix: 16)
        return "\(parent(of: path))/.\(name.prefix(100)).\(getpid())-\(random).partial"
    }
}
