internal import CBitsSystem

/// A question to a server, asked by libcurl, which is looked for when one is first asked. Proxies are those that the environment names.
package struct HTTPRequest: Sendable {
    package var url: String
    package var headers: [(name: String, value: String)] = []
    /// Whether headers alone are asked for.
    package var wantsNoBody = false
    /// Whether it goes where the server sends it on to. A header `Authorization` goes to no other host.
    package var follows = true
    /// Seconds without an answer, or without a byte of it, after which it fails.
    package var patience = 30

    package init(_ url: String) { self.url = url }
}

/// A server's answer, but for its body.
package struct HTTPResponse: Sendable {
    package let status: Int
    /// Of the last answer, where it was sent on; names in lower case.
    package let headers: [String: String]
}

/// Why there is no answer, or only a part of one.
package struct HTTPFailure: Error, Sendable, Equatable {
    package enum Kind: Sendable {
        case noLibrary, noHost, noConnection, cut, stopped, notTrusted, noProxy, failed
    }

    package let kind: Kind
    /// libcurl's words.
    package let message: String
}

extension HTTPRequest {
    /// Waits for the answer.
    ///
    /// - Parameter body: takes the answer's body part by part, with what is known of the answer; when it returns false, the transfer ends.
    /// - Throws: ``HTTPFailure``; what the status says is no failure.
    package func perform(_ body: (HTTPResponse, [UInt8]) -> Bool = { _, _ in true }) throws(HTTPFailure) -> HTTPResponse {
        try withoutActuallyEscaping(body) { (body) throws(HTTPFailure) in
            let answer = HTTPAnswer(body)
            var status: Int32 = 0
            var message = [CChar](repeating: 0, count: 256)
            let lines = headers.map { "\($0.name): \($0.value)" }
            let result = unsafe HTTPRequest.withPointers(to: lines) { pointers in
                unsafe url.withCString { url in
                    var request = unsafe bits_http_request()
                    unsafe request.url = url
                    unsafe request.headers = pointers.baseAddress
                    unsafe request.header_count = Int64(lines.count)
                    unsafe request.wants_no_body = wantsNoBody ? 1 : 0
                    unsafe request.follows = follows ? 1 : 0
                    unsafe request.patience = Int32(patience)
                    unsafe request.context = Unmanaged.passUnretained(answer).toOpaque()
                    unsafe request.take_header = { context, bytes, count in
                        unsafe HTTPAnswer.from(context).takeHeader(Array(UnsafeBufferPointer(start: bytes, count: Int(count))))
                        return 0
                    }
                    unsafe request.take_body = { context, bytes, count in
                        unsafe HTTPAnswer.from(context).takeBody(Array(UnsafeBufferPointer(start: bytes, count: Int(count)))) ? 0 : 1
                    }
                    return unsafe bits_http_perform(&request, &status, &message, Int64(message.count))
                }
            }
            let kinds: [HTTPFailure.Kind?] = [nil, .noLibrary, .noHost, .noConnection, .cut, .stopped, .notTrusted, .noProxy, .failed]
            if let kind = kinds[Int(result)] {
                throw HTTPFailure(kind: kind, message: String(decoding: message.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self))
            }
            return answer.response
        }
    }

    private static func withPointers<T>(to lines: [String], _ body: (UnsafeBufferPointer<UnsafePointer<CChar>?>) -> T) -> T {
        let copies = unsafe lines.map { unsafe UnsafePointer<CChar>(strdup($0)) }
        defer { unsafe copies.forEach { unsafe free(UnsafeMutableRawPointer(mutating: $0)) } }
        return unsafe copies.withUnsafeBufferPointer { unsafe body($0) }
    }
}

/// An answer that comes in.
private final class HTTPAnswer {
    private var status = 0
    private var headers: [String: String] = [:]
    private let body: (HTTPResponse, [UInt8]) -> Bool

    init(_ body: @escaping (HTTPResponse, [UInt8]) -> Bool) { self.body = body }

    static func from(_ context: UnsafeMutableRawPointer?) -> HTTPAnswer {
        guard let context = unsafe context else { preconditionFailure("a transfer without its answer") }
        return unsafe Unmanaged<HTTPAnswer>.fromOpaque(context).takeUnretainedValue()
    }

    var response: HTTPResponse { HTTPResponse(status: status, headers: headers) }

    /// A status line begins an answer; where the request was sent on, the last one counts.
    func takeHeader(_ bytes: [UInt8]) {
        let line = String(decoding: bytes, as: UTF8.self)
        if line.hasPrefix("HTTP/") {
            status = line.split(separator: " ").dropFirst().first.flatMap { Int($0.prefix(3)) } ?? 0
            headers = [:]
        } else if let colon = line.firstIndex(of: ":") {
            let value = line[line.index(after: colon)...].drop { $0 == " " }
            headers[line[..<colon].lowercased()] = String(value.prefix { !$0.isNewline })
        }
    }

    func takeBody(_ bytes: [UInt8]) -> Bool { body(response, bytes) }
}
