internal import BitsIO
internal import BitsSystem

/// A repository in the cache, as huggingface_hub lays it out: contents in `blobs` under their ETags, `snapshots/COMMIT` with links to them under their names,
/// and `refs` that say which commit a branch or tag is. Locks are theirs too, so that both may download at the same time.
struct HubFolder: Sendable {
    private let path: String
    private let locks: String

    init(_ repository: String, in cache: HuggingFaceCache) throws(ModelFileError) {
        let name = "models--" + repository.split(separator: "/").joined(separator: "--")
        path = "\(cache.path)/\(name)"
        locks = "\(cache.path)/.locks/\(name)"
        for folder in ["\(path)/blobs", "\(path)/refs", "\(path)/snapshots", locks] { try make(folder) }
    }

    private func make(_ folder: String) throws(ModelFileError) {
        do { try FileSystem.makeFolders(folder) } catch { throw .system(error) }
    }

    private func blob(_ file: HubFile) -> String { "\(path)/blobs/\(file.etag)" }

    /// Bytes of `file` that are there already.
    func byteCount(of file: HubFile) -> Int {
        if FileSystem.kind(of: blob(file)) == .file { return file.byteCount }
        return min(file.byteCount, (try? MappedFile(path: blob(file) + ".incomplete").byteCount) ?? 0)
    }

    /// Fetches what is missing of `file`, checks it, and puts it under its name in the snapshot of `commit`.
    ///
    /// - Parameters:
    ///   - onWait: is called where another process is fetching the file.
    ///   - onBytes: takes the number of bytes that came, or a negative one where the file has to be begun again.
    func fetch(
        _ file: HubFile, commit: String, client: HubClient, onWait: () -> Void, onBytes: (Int) -> Void
    ) throws(ModelFileError) {
        do {
            let lock = try FileLock(path: "\(locks)/\(file.etag).lock", onWait: onWait)
            defer { withExtendedLifetime(lock) {} }
            if FileSystem.kind(of: blob(file)) != .file { try download(file, client: client, onBytes: onBytes) }
            let link = "\(path)/snapshots/\(commit)/\(file.name)"
            try make(FileSystem.parent(of: link))
            let up = String(repeating: "../", count: 1 + file.name.split(separator: "/").count)
            try FileSystem.link(link, to: "\(up)blobs/\(file.etag)")
        } catch {
            switch error {
            case let error as FileError: throw .system(error)
            case let error as ModelFileError: throw error
            default: throw client.fault("\(error)")
            }
        }
    }

    private func download(_ file: HubFile, client: HubClient, onBytes: (Int) -> Void) throws {
        let partial = try PartialFile(path: blob(file) + ".incomplete")
        if partial.byteCount > file.byteCount { try partial.empty() }
        for isLastTry in [false, true] {
            try client.retrying(progress: { partial.byteCount }) { () throws(HubClient.Attempt) in
                try append(to: partial, file, client: client, onBytes: onBytes)
            }
            if try file.isWhole(blob(file) + ".incomplete") { return try partial.finish(as: blob(file)) }
            onBytes(-partial.byteCount)
            try partial.empty()
            if isLastTry { throw client.fault("has another \(file.name) than the hub says: what came has not its checksum; try again later") }
        }
    }

    /// Fetches from where the file ends to its end.
    private func append(to partial: PartialFile, _ file: HubFile, client: HubClient, onBytes: (Int) -> Void) throws(HubClient.Attempt) {
        if partial.byteCount == file.byteCount { return }
        var request = client.request(file.url)
        request.headers.append(("Accept-Encoding", "identity"))
        if partial.byteCount > 0 { request.headers.append(("Range", "bytes=\(partial.byteCount)-")) }
        var fault: FileError?
        var isFirst = true
        func take(_ response: HTTPResponse, _ bytes: [UInt8]) -> Bool {
            guard response.status == 200 || response.status == 206 else { return true }
            do {
                // A server that knows no ranges begins again.
                if isFirst, response.status == 200, partial.byteCount > 0 {
                    onBytes(-partial.byteCount)
                    try partial.empty()
                }
                isFirst = false
                guard partial.byteCount + bytes.count <= file.byteCount else { return false }
                try partial.append(bytes)
            } catch {
                fault = error
                return false
            }
            onBytes(bytes.count)
            return true
        }
        do {
            let response = try client.perform(request, take)
            if response.status == 416 {
                // The server has less than there is here.
                onBytes(-partial.byteCount)
                try? partial.empty()
            } else {
                try client.check(response, of: file.name)
            }
        } catch {
            if let fault { throw .final(.system(fault)) }
            throw error
        }
        guard partial.byteCount == file.byteCount else {
            throw .again(
                client.fault("was cut off: \(partial.byteCount) of \(file.byteCount) bytes of \(file.name) came; run again to go on from there"),
                after: nil)
        }
    }

    /// Notes that `revision` is `commit`.
    func refer(_ revision: String, to commit: String) throws(ModelFileError) {
        guard revision != commit else { return }
        let path = "\(path)/refs/\(revision)"
        try make(FileSystem.parent(of: path))
        do { try AtomicFile.write(Array(commit.utf8), to: path) } catch { throw .system(error) }
    }

    func contents(of name: String, commit: String) throws(ModelFileError) -> [UInt8] {
        do { return try FileSystem.contents(of: "\(path)/snapshots/\(commit)/\(name)") } catch { throw .system(error) }
    }
}
