internal import CBitsSystem

/// SHA-1 or SHA-256 of bytes that come part by part.
package struct Digest {
    private var state = bits_digest()

    package enum Kind: Int32, Sendable {
        case sha1 = 0
        case sha256 = 1
    }

    package init(_ kind: Kind) { unsafe bits_digest_begin(&state, kind.rawValue) }

    package mutating func add(_ bytes: [UInt8]) { unsafe bits_digest_add(&state, bytes, Int64(bytes.count)) }

    /// The digest in hexadecimal digits; nothing may be added afterwards.
    package mutating func finish() -> String {
        var result = [UInt8](repeating: 0, count: state.is_sha256 == 1 ? 32 : 20)
        unsafe bits_digest_end(&state, &result)
        return result.map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined()
    }
}
