internal import BitsIO
internal import BitsSystem

/// A file of a revision, as the hub describes it.
struct HubFile: Sendable {
    let name: String
    /// What tells its contents: SHA-256 of a large file, SHA-1 as git has it of a small one, or anything else.
    let etag: String
    let byteCount: Int
    /// Where its contents are.
    let url: String
    let commit: String?

    /// Asks the hub, which answers for itself, or sends on to where large files are: that answer says all but the contents.
    init(_ name: String, commit: String, client: HubClient) throws(ModelFileError) {
        let path = "/\(client.repository)/resolve/\(commit)/\(name)"
        var url = client.url(path)
        for _ in 0..<5 {
            let response = try client.retrying { () throws(HubClient.Attempt) in
                var request = client.request(url)
                request.wantsNoBody = true
                request.follows = false
                request.headers.append(("Accept-Encoding", "identity"))
                let response = try client.perform(request)
                try client.check(response, of: name)
                return response
            }
            let headers = response.headers
            let location = headers["location"].map { $0.hasPrefix("/") ? client.settings.endpoint + $0 : $0 }
            // A repository that was renamed: its files are where the hub itself sends on to.
            if let location, headers["x-linked-etag"] == nil, headers["etag"] == nil || location.hasPrefix(client.settings.endpoint + "/") {
                url = location
                continue
            }
            let etag = (headers["x-linked-etag"] ?? headers["etag"]).map(HubFile.plain)
            guard let etag, HubFile.isFileName(etag), let count = (headers["x-linked-size"] ?? headers["content-length"]).flatMap({ Int($0) }),
                count >= 0
            else {
                throw client.fault("cannot be downloaded: \(client.settings.endpoint) says neither size nor ETag of \(name); check HF_ENDPOINT")
            }
            self.name = name
            self.etag = etag
            byteCount = count
            self.url = location ?? url
            self.commit = headers["x-repo-commit"]
            return
        }
        throw client.fault("cannot be downloaded: \(client.settings.endpoint) sends on for ever; check HF_ENDPOINT")
    }

    /// `W/"abc"` without what stands around it.
    private static func plain(_ etag: String) -> String {
        (etag.hasPrefix("W/") ? etag.dropFirst(2) : etag[...]).filter { $0 != "\"" }
    }

    /// A file's contents lie under its ETag.
    private static func isFileName(_ etag: String) -> Bool {
        (1...200).contains(etag.utf8.count) && !etag.hasPrefix(".")
            && etag.utf8.allSatisfy { byte in
                let scalar = Unicode.Scalar(byte)
                return scalar.isASCII
                    && (scalar.properties.isAlphabetic || scalar.properties.numericType != nil || scalar == "-" || scalar == "_" || scalar == ".")
            }
    }

    /// Whether what lies at `path` is the file, as far as its ETag tells.
    func isWhole(_ path: String) throws(ModelFileError) -> Bool {
        let isHexadecimal = etag.utf8.allSatisfy { Character(Unicode.Scalar($0)).isHexDigit }
        guard isHexadecimal, etag.utf8.count == 64 || etag.utf8.count == 40 else { return true }
        var digest = Digest(etag.utf8.count == 64 ? .sha256 : .sha1)
        if etag.utf8.count == 40 { digest.add(Array("blob \(byteCount)\0".utf8)) }
        let file: MappedFile
        do { file = try MappedFile(path: path) } catch { throw .system(error) }
        let step = 4 << 20
        for start in stride(from: 0, to: file.byteCount, by: step) {
            let part = start..<min(start + step, file.byteCount)
            digest.add(file.bytes(in: part))
            file.release(part)
        }
        return digest.finish() == etag.lowercased()
    }
}
