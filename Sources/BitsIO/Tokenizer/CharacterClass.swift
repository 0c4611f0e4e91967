/// The classes of characters that tokenizers' split patterns speak of; every character has exactly one.
///
/// As Unicode 16 defines `\p{L}`, `\p{N}` and White_Space: the version that Hugging Face's tokenizers split by. Characters that came later count
/// as other, so that the same text gives the same tokens whatever Unicode version this was built with.
enum CharacterClass {
    static let letter: UInt8 = 1
    static let number: UInt8 = 2
    static let space: UInt8 = 4
    static let other: UInt8 = 8

    /// The class of the character that starts at `index`, which moves past it.
    @inline(__always)
    static func next(in text: Span<UInt8>, at index: inout Int) -> UInt8 {
        let byte = text[index]
        guard byte < 0x80 else { return of(UTF8Text.scalar(in: text, at: &index)) }
        index += 1
        if (byte | 0x20) &- 0x61 < 26 { return letter }
        if byte &- 0x30 < 10 { return number }
        return byte == 0x20 || byte &- 9 < 5 ? space : other
    }

    /// The class of the character at `index`.
    @inline(__always)
    static func at(_ index: Int, in text: Span<UInt8>) -> UInt8 {
        var index = index
        return next(in: text, at: &index)
    }

    /// The end of the run of characters from `index` on that belong to one of `classes`.
    @inline(__always)
    static func run(of classes: UInt8, in text: Span<UInt8>, from index: Int) -> Int {
        var index = index
        while index < text.count {
            var next = index
            guard self.next(in: text, at: &next) & classes != 0 else { break }
            index = next
        }
        return index
    }

    /// The class of a character beyond ASCII.
    static func of(_ scalar: UInt32) -> UInt8 { scalar < 0x10000 ? basicPlane[Int(scalar)] : computed(scalar) }

    /// The first 65,536 characters' classes; made when first needed, in about 3 ms.
    private static let basicPlane: [UInt8] = (0..<0x10000).map { computed($0) }

    private static func computed(_ value: UInt32) -> UInt8 {
        guard let scalar = Unicode.Scalar(value), let age = scalar.properties.age, age.major <= 16 else { return other }
        switch scalar.properties.generalCategory {
        case .uppercaseLetter, .lowercaseLetter, .titlecaseLetter, .modifierLetter, .otherLetter: return letter
        case .decimalNumber, .letterNumber, .otherNumber: return number
        default: return scalar.properties.isWhitespace ? space : other
        }
    }

    /// Whether `scalar` is a word character, regular expressions' `\w`.
    static func isWord(_ scalar: UInt32) -> Bool { ScalarSet.plainWord.contains(scalar) }
}
