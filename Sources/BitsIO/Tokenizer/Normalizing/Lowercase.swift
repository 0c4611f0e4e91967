/// Small letters for capitals, character by character: a final sigma is a sigma.
enum Lowercase {
    static func apply(_ text: [UInt8]) -> [UInt8] {
        let span = text.span
        var result = [UInt8]()
        result.reserveCapacity(text.count)
        var index = 0
        while index < span.count {
            let byte = span[index]
            if byte < 0x80 {
                result.append(byte &- 0x41 < 26 ? byte | 0x20 : byte)
                index += 1
            } else {
                let scalar = UTF8Text.scalar(in: span, at: &index)
                let small = scalar < 0x10000 ? basicPlane[Int(scalar)] : computed(scalar)
                if small == several {
                    for small in mapping(scalar) { result.append(scalar: small) }
                } else {
                    result.append(scalar: small)
                }
            }
        }
        return result
    }

    /// Stands for more than one character.
    private static let several = UInt32.max

    private static let basicPlane: [UInt32] = (0..<0x10000).map { computed($0) }

    private static func computed(_ scalar: UInt32) -> UInt32 {
        let small = mapping(scalar)
        return small.count == 1 ? small[0] : several
    }

    private static func mapping(_ scalar: UInt32) -> [UInt32] {
        Unicode.Scalar(scalar).map { $0.properties.lowercaseMapping.unicodeScalars.map(\.value) } ?? [scalar]
    }
}
