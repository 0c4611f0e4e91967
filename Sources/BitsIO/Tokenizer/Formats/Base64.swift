/// Bytes as letters, digits, `+` and `/`: RFC 4648.
enum Base64 {
    /// The bytes that `text` stands for; nil when it is not well formed.
    static func decode(_ text: ArraySlice<UInt8>) -> [UInt8]? {
        guard text.count % 4 == 0 else { return nil }
        var result = [UInt8]()
        result.reserveCapacity(text.count / 4 * 3)
        for start in stride(from: text.startIndex, to: text.endIndex, by: 4) {
            var padding = 0
            var bits: UInt32 = 0
            for index in start..<start + 4 {
                let byte = text[index]
                if byte == UInt8(ascii: "="), start + 4 == text.endIndex, index >= start + 2 {
                    padding += 1
                    bits <<= 6
                } else {
                    guard padding == 0, let value = value(of: byte) else { return nil }
                    bits = bits << 6 | value
                }
            }
            for place in 0..<3 - padding { result.append(UInt8(truncatingIfNeeded: bits >> UInt32(16 - 8 * place))) }
        }
        return result
    }

    static func encode(_ bytes: [UInt8]) -> String {
        let letters = Array("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/".utf8)
        var result = [UInt8]()
        result.reserveCapacity((bytes.count + 2) / 3 * 4)
        for start in stride(from: 0, to: bytes.count, by: 3) {
            let count = min(3, bytes.count - start)
            let bits = (0..<3).reduce(UInt32(0)) { $0 << 8 | ($1 < count ? UInt32(bytes[start + $1]) : 0) }
            for place in 0..<4 { result.append(place <= count ? letters[Int(bits >> UInt32(18 - 6 * place) & 63)] : UInt8(ascii: "=")) }
        }
        return String(decoding: result, as: UTF8.self)
    }

    private static func value(of byte: UInt8) -> UInt32? {
        switch byte {
        case UInt8(ascii: "A")...UInt8(ascii: "Z"): UInt32(byte - UInt8(ascii: "A"))
        case UInt8(ascii: "a")...UInt8(ascii: "z"): UInt32(byte - UInt8(ascii: "a")) + 26
        case UInt8(ascii: "0")...UInt8(ascii: "9"): UInt32(byte - UInt8(ascii: "0")) + 52
        case UInt8(ascii: "+"): 62
        case UInt8(ascii: "/"): 63
        default: nil
        }
    }
}
