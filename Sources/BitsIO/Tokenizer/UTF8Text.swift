/// Steps through UTF-8 that is known to be valid.
enum UTF8Text {
    /// The character that starts at `index`, which moves past it.
    @inline(__always)
    static func scalar(in text: Span<UInt8>, at index: inout Int) -> UInt32 {
        let first = UInt32(text[index])
        if first < 0x80 {
            index += 1
            return first
        }
        if first < 0xe0 {
            let value = (first & 0x1f) << 6 | UInt32(text[index + 1] & 0x3f)
            index += 2
            return value
        }
        let low = UInt32(text[index + 1] & 0x3f) << 6 | UInt32(text[index + 2] & 0x3f)
        if first < 0xf0 {
            index += 3
            return (first & 0xf) << 12 | low
        }
        let value = (first & 7) << 18 | low << 6 | UInt32(text[index + 3] & 0x3f)
        index += 4
        return value
    }

    /// The bytes of the character that starts with `first`.
    @inline(__always)
    static func length(startingWith first: UInt8) -> Int { first < 0x80 ? 1 : first < 0xe0 ? 2 : first < 0xf0 ? 3 : 4 }

    /// How many characters there are.
    static func count(of text: Span<UInt8>) -> Int { text.indices.count { text[$0] & 0xc0 != 0x80 } }

    /// Where the character before `index` starts.
    @inline(__always)
    static func start(before index: Int, in text: Span<UInt8>) -> Int {
        var start = index - 1
        while start > 0 && text[start] & 0xc0 == 0x80 { start -= 1 }
        return start
    }

    /// How many of the last bytes are the valid beginning of a character that is not complete: 0 to 3.
    static func incompleteSuffix(of bytes: [UInt8]) -> Int {
        for count in 1...3 where count <= bytes.count {
            let first = bytes[bytes.count - count]
            if first & 0xc0 == 0x80 { continue }
            guard first >= 0xc2, first < 0xf5, length(startingWith: first) > count else { return 0 }
            if count > 1 {
                // Bounds on the second byte exclude overlong forms, surrogates and what lies beyond U+10FFFF.
                let second = bytes[bytes.count - count + 1]
                switch first {
                case 0xe0 where second < 0xa0, 0xed where second >= 0xa0, 0xf0 where second < 0x90, 0xf4 where second >= 0x90: return 0
                default: break
                }
            }
            return count
        }
        return 0
    }
}

extension Array where Element == UInt8 {
    /// Appends the UTF-8 of a character.
    @inline(__always)
    mutating func append(scalar: UInt32) {
        if scalar < 0x80 { return append(UInt8(scalar)) }
        if scalar < 0x800 {
            append(0xc0 | UInt8(scalar >> 6))
        } else {
            if scalar < 0x10000 {
                append(0xe0 | UInt8(scalar >> 12))
            } else {
                append(0xf0 | UInt8(scalar >> 18))
                append(0x80 | UInt8(scalar >> 12 & 0x3f))
            }
            append(0x80 | UInt8(scalar >> 6 & 0x3f))
        }
        append(0x80 | UInt8(scalar & 0x3f))
    }
}
