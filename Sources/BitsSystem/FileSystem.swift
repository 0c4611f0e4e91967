/// Questions to the file system, and the paths that atomic writes need.
package enum FileSystem {
    package enum Kind: Sendable, Equatable {
        case missing, file, folder, other
        /// The system does not say, for this reason (an error number): no permission, links in a circle, ...
        case unknown(Int32)
    }

    /// What is at `path`; links are followed.
    package static func kind(of path: String) -> Kind {
        var status = stat()
        guard unsafe stat(path, &status) == 0 else { return errno == ENOENT || errno == ENOTDIR ? .missing : .unknown(errno) }
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

    /// Makes a folder, and those above it that are missing.
    package static func makeFolders(_ path: String) throws(FileError) {
        if kind(of: path) == .folder { return }
        let parent = parent(of: path)
        if parent != path { try makeFolders(parent) }
        // Somebody else may make it at the same time.
        guard unsafe mkdir(path, 0o777) == 0 || errno == EEXIST else { throw FileError(writing: path, errno: errno) }
    }

    /// Removes a file; nothing happens when it is not there.
    package static func removeFile(_ path: String) { unsafe _ = unlink(path) }

    /// Gives what is at `path` the name `other`, in the place of a file that has it.
    package static func move(_ path: String, to other: String) throws(FileError) {
        guard unsafe rename(path, other) == 0 else { throw FileError(writing: other, errno: errno) }
    }

    /// Removes a folder unless there is something in it.
    package static func removeEmptyFolder(_ path: String) { unsafe _ = rmdir(path) }

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

    /// Where files go that nobody keeps: the environment variable `TMPDIR`, or what the system has for it.
    package static var temporaryFolder: String { environment("TMPDIR") ?? P_tmpdir }

    /// The value of an environment variable, nil when it is not set or empty.
    package static func environment(_ name: String) -> String? {
        guard let value = unsafe getenv(name) else { return nil }
        let text = unsafe String(cString: value)
        return text.isEmpty ? nil : text
    }

    /// `path` with the home folder in the place of a leading `~/`.
    package static func expandingHome(_ path: String, variable: (String) -> String? = environment) -> String {
        path.hasPrefix("~/") ? (variable("HOME") ?? "") + path.dropFirst(1) : path
    }

    /// Whether `path` itself is a symbolic link.
    package static func isLink(_ path: String) -> Bool {
        var status = stat()
        return unsafe lstat(path, &status) == 0 && status.st_mode & S_IFMT == S_IFLNK
    }

    /// All bytes of the file or pipe at `path`, or of standard input for `-`.
    package static func contents(of path: String) throws(FileError) -> [UInt8] {
        let descriptor = path == "-" ? 0 : unsafe open(path, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else { throw FileError(reading: path, errno: errno) }
        defer { if descriptor > 0 { close(descriptor) } }
        var bytes = [UInt8]()
        var part = [UInt8](repeating: 0, count: 1 << 16)
        while true {
            let count = unsafe read(descriptor, &part, part.count)
            if count == 0 { return bytes }
            if count > 0 { bytes += part[..<count] } else if errno != EINTR { throw FileError(reading: path, errno: errno) }
        }
    }

    /// Writes `bytes` to an open file, in as many calls as that takes.
    ///
    /// - Parameter onPart: gets how many bytes a call has written.
    /// - Throws: what `error` makes of the system's error number; what was written before is there.
    static func write(
        _ bytes: [UInt8], to descriptor: Int32, onPart: (Int) -> Void = { _ in }, error: (Int32) -> FileError
    ) throws(FileError) {
        var done = 0
        while done < bytes.count {
            let count = unsafe bytes.withUnsafeBytes { unsafe BitsSystem.write(descriptor, $0.baseAddress! + done, $0.count - done) }
            if count >= 0 {
                onPart(count)
                done += count
            } else if errno != EINTR {
                throw error(errno)
            }
        }
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
        let random = String(UInt32.random(in: 0 ... .max), radix: 16)
        return "\(parent(of: path))/\(temporaryPrefix(path))\(getpid())-\(random).partial"
    }

    private static func temporaryPrefix(_ path: String) -> String {
        let name = path.split(separator: "/", omittingEmptySubsequences: true).last.map(String.init) ?? "file"
        return ".\(name.prefix(100))."
    }

    /// Removes the temporary siblings of `path` whose process is gone: it was stopped before it could do so itself.
    static func removeAbandonedSiblings(of path: String) {
        let (folder, prefix) = (parent(of: path), temporaryPrefix(path))
        for name in (try? names(in: folder)) ?? [] where name.hasPrefix(prefix) && name.hasSuffix(".partial") {
            let process = Int32(name.dropFirst(prefix.count).prefix { $0 != "-" }) ?? 0
            guard process > 0, kill(process, 0) != 0, errno == ESRCH else { continue }
            let sibling = "\(folder)/\(name)"
            if unsafe unlink(sibling) != 0 { removeFolder(sibling) }
        }
    }
}
