/// GPT-2's way of writing any byte as a printable character, in which byte-level vocabularies are stored.
///
/// Printable bytes of Latin-1 stand for themselves; the other 68 are written, in order, as U+0100 and on.
enum ByteAlphabet {
    /// The character for each byte.
    static let scalars: [UInt16] = {
        var next: UInt16 = 256
        return (0..<256).map { byte in
            if isPrintable(byte) { return UInt16(byte) }
            defer { next += 1 }
            return next
        }
    }()

    /// The byte for each character below U+0144; -1 where there is none.
    private static let bytes: [Int16] = {
        var bytes = [Int16](repeating: -1, count: 324)
        for (byte, scalar) in scalars.enumerated() { bytes[Int(scalar)] = Int16(byte) }
        return bytes
    }()

    private static func isPrintable(_ byte: Int) -> Bool {
        (0x21...0x7e).contains(byte) || (0xa1...0xac).contains(byte) || (0xae...0xff).contains(byte)
    }

    /// The characters for `bytes`, in UTF-8.
    static func encoded(_ bytes: some Collection<UInt8>) -> [UInt8] {
        let scalars = scalars
        var text = [UInt8]()
        text.reserveCapacity(bytes.count + bytes.count / 2)
        for byte in bytes { text.append(scalar: UInt32(scalars[Int(byte)])) }
        return text
    }

    /// Appends the bytes that `text` stands for; text with a character of no meaning stands for its own UTF-8.
    static func decode(_ text: Span<UInt8>, into result: inout [UInt8]) {
        let start = result.count
        let bytes = bytes
        var index = 0
        while index < text.count {
            let scalar = UTF8Text.scalar(in: text, at: &index)
            guard scalar < 324, bytes[Int(scalar)] >= 0 else {
                result.removeSubrange(start...)
                for index in text.indices { result.append(text[index]) }
                return
            }
            result.append(UInt8(bytes[Int(scalar)]))
        }
    }
}
