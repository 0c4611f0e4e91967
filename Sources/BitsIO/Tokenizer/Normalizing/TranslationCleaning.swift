/// How SentencePiece's `nmt` rule makes text uniform: some controls dropped, others and unusual spaces turned into plain ones.
enum TranslationCleaning {
    static func apply(_ text: [UInt8]) -> [UInt8] {
        let span = text.span
        var result = [UInt8]()
        result.reserveCapacity(text.count)
        var index = 0
        while index < span.count {
            let scalar = UTF8Text.scalar(in: span, at: &index)
            switch scalar {
            case 0x01...0x08, 0x0b, 0x0e...0x1f, 0x7f, 0x8f, 0x9f: break
            case 0x09, 0x0a, 0x0c, 0x0d, 0x1680, 0x200b...0x200f, 0x2028, 0x2029, 0x2581, 0xfeff, 0xfffd: result.append(0x20)
            default: result.append(scalar: scalar)
            }
        }
        return result
    }
}
