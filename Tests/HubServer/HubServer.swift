package import BitsSystem
import Foundation

/// A hub in this process: lists of files, small files from itself, large ones from another address to which it sends on, ranges, ETags, and faults as asked for.
package final class HubServer: @unchecked Sendable {
    package struct Request: Sendable {
        package let method: String
        package let path: String
        package let headers: [String: String]
        /// Whom it was meant for, where it came as to a proxy.
        package let proxiedHost: String?
        /// How often this was asked for before.
        package let earlier: Int
    }

    /// What goes wrong with an answer.
    package enum Fault: Sendable {
        case status(Int, [String: String] = [:])
        /// The connection ends after so many bytes of the body.
        case cut(after: Int)
        /// All of the file comes, whatever range was asked for.
        case noRange
        /// Other bytes than the file's.
        case otherBytes
        case slow(seconds: Double)
    }

    package let commit = "0123456789abcdef0123456789abcdef01234567"
    package var files: [String: [UInt8]]
    package var repository = "org/tiny"
    package var fault: @Sendable (Request) -> Fault? = { _ in nil }
    private let lock = NSLock()
    private var log: [Request] = []
    private let listener: Int32
    package let port: Int

    /// Guarded by the lock.
    package var requests: [Request] { lock.withLock { log } }
    package var endpoint: String { "http://127.0.0.1:\(port)" }

    package init(_ files: [String: [UInt8]]) {
        self.files = files
        let listener = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_addr.s_addr = UInt32(0x7f00_0001).bigEndian
        var length = socklen_t(MemoryLayout<sockaddr_in>.size)
        unsafe withUnsafeMutablePointer(to: &address) { pointer in
            unsafe pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { pointer in
                unsafe _ = bind(listener, pointer, length)
                unsafe _ = getsockname(listener, pointer, &length)
            }
        }
        listen(listener, 64)
        self.listener = listener
        port = Int(UInt16(bigEndian: address.sin_port))
        Thread.detachNewThread { [self] in
            while true {
                let connection = accept(listener, nil, nil)
                if connection < 0 { return }
                Thread.detachNewThread { [self] in
                    serve(connection)
                    close(connection)
                }
            }
        }
    }

    package func stop() {
        shutdown(listener, Int32(SHUT_RDWR))
        close(listener)
    }

    private func serve(_ connection: Int32) {
        var bytes: [UInt8] = []
        var part = [UInt8](repeating: 0, count: 4096)
        while !String(decoding: bytes, as: UTF8.self).contains("\r\n\r\n") {
            let count = unsafe recv(connection, &part, part.count, 0)
            if count <= 0 { return }
            bytes += part[..<count]
        }
        let lines = String(decoding: bytes, as: UTF8.self).components(separatedBy: "\r\n")
        let words = lines[0].split(separator: " ").map(String.init)
        // A proxy is asked for whole addresses.
        let parts = words[1].split(separator: "/", maxSplits: 2, omittingEmptySubsequences: false)
        let isProxied = words[1].hasPrefix("http://")
        let proxiedHost = isProxied ? String(parts[2].prefix { $0 != "/" }) : nil
        let path = isProxied ? String(parts[2].drop { $0 != "/" }) : words[1]
        var headers: [String: String] = [:]
        for line in lines.dropFirst() {
            if let colon = line.firstIndex(of: ":") {
                headers[line[..<colon].lowercased()] = line[line.index(after: colon)...].trimmingCharacters(in: .whitespaces)
            }
        }
        let request = lock.withLock {
            let request = Request(
                method: words[0], path: path, headers: headers, proxiedHost: proxiedHost,
                earlier: log.count { $0.method == words[0] && $0.path == path })
            log.append(request)
            return request
        }
        answer(request, connection)
    }

    private func answer(_ request: Request, _ connection: Int32) {
        let fault = fault(request)
        if case .status(let status, let headers)? = fault { return send(status, headers, [], request, connection) }
        if case .slow(let seconds)? = fault { Thread.sleep(forTimeInterval: seconds) }
        if request.path.hasPrefix("/api/models/\(repository)/revision/") {
            let list = files.keys.sorted().map { "{\"rfilename\": \"\($0)\"}" }.joined(separator: ", ")
            return send(200, [:], Array("{\"sha\": \"\(commit)\", \"siblings\": [\(list)]}".utf8), request, connection)
        }
        let isElsewhere = request.path.hasPrefix("/elsewhere/")
        let prefix = isElsewhere ? "/elsewhere/" : "/\(repository)/resolve/\(commit)/"
        guard request.path.hasPrefix(prefix), let bytes = files[String(request.path.dropFirst(prefix.count))] else {
            return send(404, ["X-Error-Code": request.path.hasPrefix("/\(repository)/") ? "EntryNotFound" : "RepoNotFound"], [], request, connection)
        }
        let name = String(request.path.dropFirst(prefix.count))
        if !isElsewhere && name.hasSuffix(".safetensors") {
            let headers = [
                "X-Linked-ETag": "\"\(HubServer.digest(bytes, .sha256))\"", "X-Linked-Size": "\(bytes.count)", "X-Repo-Commit": commit,
                "Location": "http://localhost:\(port)/elsewhere/\(name)",
            ]
            return send(302, headers, [], request, connection)
        }
        let etag = HubServer.digest(Array("blob \(bytes.count)\0".utf8) + bytes, .sha1)
        var body = bytes
        var status = 200
        if let range = request.headers["range"], let start = Int(range.dropFirst("bytes=".count).dropLast()) {
            if case .noRange? = fault {
            } else if start >= bytes.count {
                return send(416, [:], [], request, connection)
            } else {
                (body, status) = (Array(bytes[start...]), 206)
            }
        }
        if case .otherBytes? = fault { body = body.map { $0 ^ 1 } }
        if case .cut(let count)? = fault { return send(status, ["ETag": "\"\(etag)\""], body, request, connection, cutAfter: count) }
        send(status, ["ETag": "\"\(etag)\""], body, request, connection)
    }

    private func send(_ status: Int, _ headers: [String: String], _ body: [UInt8], _ request: Request, _ connection: Int32, cutAfter: Int? = nil) {
        var text = "HTTP/1.1 \(status) -\r\nContent-Length: \(body.count)\r\nConnection: close\r\n"
        for (name, value) in headers { text += "\(name): \(value)\r\n" }
        var bytes = Array((text + "\r\n").utf8)
        if request.method != "HEAD" { bytes += body.prefix(cutAfter ?? body.count) }
        var done = 0
        while done < bytes.count {
            let count = unsafe bytes.withUnsafeBytes {
                unsafe BitsSystem.send(connection, $0.baseAddress! + done, $0.count - done, Int32(MSG_NOSIGNAL))
            }
            if count <= 0 { return }
            done += count
        }
        shutdown(connection, Int32(SHUT_WR))
    }

    /// Whether there is what fetches.
    package static var canFetch: Bool {
        do { _ = try HTTPRequest("http://127.0.0.1:1/").perform() } catch { return error.kind != .noLibrary }
        return true
    }

    package static func digest(_ bytes: [UInt8], _ kind: Digest.Kind) -> String {
        var digest = Digest(kind)
        digest.add(bytes)
        return digest.finish()
    }
}
