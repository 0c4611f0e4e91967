/// Spaces and words, where tokenizers look for them with expressions of its own.
enum CharacterClass {
    /// Whether `scalar` is white space: of this property no version of Unicode since 6.3 has changed a character.
    static func isSpace(_ scalar: UInt32) -> Bool {
        switch scalar {
        case 0x09...0x0d, 0x20, 0x85, 0xa0, 0x1680, 0x2000...0x200a, 0x2028, 0x2029, 0x202f, 0x205f, 0x3000: true
        default: false
        }
    }

    /// The end of the spaces from `index` on.
    static func endOfSpaces(in text: Span<UInt8>, from index: Int) -> Int {
        var index = index
        while index < text.count {
            var next = index
            guard isSpace(UTF8Text.scalar(in: text, at: &next)) else { break }
            index = next
        }
        return index
    }

    /// The start of the spaces before `end`, not before `bound`.
    static func startOfSpaces(in text: Span<UInt8>, before end: Int, downTo bound: Int) -> Int {
        var start = end
        while start > bound {
            let before = UTF8Text.start(before: start, in: text)
            var index = before
            guard isSpace(UTF8Text.scalar(in: text, at: &index)) else { break }
            start = before
        }
        return start
    }

    /// Whether `scalar` is a word character, regular expressions' `\w`.
    static func isWord(_ scalar: UInt32) -> Bool { ScalarSet.plainWord.contains(scalar) }
}
