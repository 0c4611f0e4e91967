/// A regular expression that splits text before byte-pair encoding, as a scanner written by hand.
///
/// Tokenizer files carry a handful of expressions; these are recognised by their text. All but ``bloom`` match every character, so that the
/// pieces are the matches; of ``bloom`` what lies between matches is a piece too.
enum SplitPattern: Equatable {
    /// GPT-2's.
    case gpt2
    /// Llama 3's and its kin, with at most this many digits in a row.
    case llama3(maximumDigits: Int)
    /// BLOOM's: words apart from punctuation and spaces.
    case bloom
    /// Digits apart from the rest, each alone or in runs.
    case digits(individual: Bool)

    static let gpt2Text = #"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"#
    private static let bloomText = #" ?[^(\s|[.,!?…。，、।۔،])]+"#
    private static let llama3Text =
        #"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|DIGITS| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"#
    /// The same written with possessive repetition, as OpenAI does.
    private static let possessiveText =
        #"'(?i:[sdmt]|ll|ve|re)|[^\r\n\p{L}\p{N}]?+\p{L}+|DIGITS| ?[^\s\p{L}\p{N}]++[\r\n]*|\s*[\r\n]|\s+(?!\S)|\s+"#

    /// The scanner for an expression; nil for one that is not known.
    init?(_ expression: String) {
        switch expression {
        case SplitPattern.gpt2Text: self = .gpt2
        case SplitPattern.bloomText: self = .bloom
        default:
            let digits = [#"\p{N}"#: 1, #"\p{N}{1,2}"#: 2, #"\p{N}{1,3}"#: 3, #"\p{N}+"#: Int.max]
            let known = [SplitPattern.llama3Text, SplitPattern.possessiveText].compactMap { text -> Int? in
                let parts = text.split(separator: "DIGITS")
                guard expression.hasPrefix(parts[0]), expression.hasSuffix(parts[1]) else { return nil }
                return digits[String(expression.dropFirst(parts[0].count).dropLast(parts[1].count))]
            }
            guard let maximum = known.first else { return nil }
            self = .llama3(maximumDigits: maximum)
        }
    }

    /// The end of the piece that starts at `index`.
    func end(of text: Span<UInt8>, from index: Int) -> Int {
        switch self {
        case .gpt2: SplitPattern.gpt2End(text, index)
        case .llama3(let maximum): SplitPattern.llama3End(text, index, maximum)
        case .bloom: SplitPattern.bloomEnd(text, index)
        case .digits(let individual): SplitPattern.digitsEnd(text, index, individual)
        }
    }

    private static func gpt2End(_ text: Span<UInt8>, _ index: Int) -> Int {
        let first = text[index]
        if first == UInt8(ascii: "'"), let end = contractionEnd(text, index, ignoresCase: false) { return end }
        let start = first == 0x20 && index + 1 < text.count ? index + 1 : index
        let kind = CharacterClass.at(start, in: text)
        return kind == CharacterClass.space ? spaceEnd(text, index) : CharacterClass.run(of: kind, in: text, from: start)
    }

    private static func llama3End(_ text: Span<UInt8>, _ index: Int, _ maximumDigits: Int) -> Int {
        let first = text[index]
        if first == UInt8(ascii: "'"), let end = contractionEnd(text, index, ignoresCase: true) { return end }
        var next = index
        let kind = CharacterClass.next(in: text, at: &next)
        switch kind {
        case CharacterClass.letter: return CharacterClass.run(of: kind, in: text, from: next)
        case CharacterClass.number:
            var count = 1
            while count < maximumDigits && next < text.count && CharacterClass.at(next, in: text) == kind {
                next += UTF8Text.length(startingWith: text[next])
                count += 1
            }
            return next
        default: break
        }
        let following = next < text.count ? CharacterClass.at(next, in: text) : 0
        if following == CharacterClass.letter && !isNewline(first) { return CharacterClass.run(of: following, in: text, from: next) }
        if kind == CharacterClass.other || first == 0x20 && following == CharacterClass.other {
            var end = CharacterClass.run(of: CharacterClass.other, in: text, from: kind == CharacterClass.other ? index : next)
            while end < text.count && isNewline(text[end]) { end += 1 }
            return end
        }
        // Spaces up to the last line break among them, else all but the last before a word.
        let end = CharacterClass.run(of: CharacterClass.space, in: text, from: index)
        for position in stride(from: end - 1, through: index, by: -1) where isNewline(text[position]) { return position + 1 }
        return spaceEnd(text, index, runEnd: end)
    }

    private static func bloomEnd(_ text: Span<UInt8>, _ index: Int) -> Int {
        if let end = bloomMatch(text, index) { return end }
        var end = index
        repeat { end += UTF8Text.length(startingWith: text[end]) } while end < text.count && bloomMatch(text, end) == nil
        return end
    }

    /// The end of a match that starts at `index`.
    private static func bloomMatch(_ text: Span<UInt8>, _ index: Int) -> Int? {
        let start = text[index] == 0x20 ? index + 1 : index
        var end = start
        while end < text.count {
            var next = end
            switch UTF8Text.scalar(in: text, at: &next) {
            case 0x28, 0x29, 0x7c, 0x2e, 0x2c, 0x21, 0x3f, 0x2026, 0x3002, 0xff0c, 0x3001, 0x964, 0x6d4, 0x60c: return end > start ? end : nil
            default: break
            }
            if CharacterClass.at(end, in: text) == CharacterClass.space { break }
            end = next
        }
        return end > start ? end : nil
    }

    private static func digitsEnd(_ text: Span<UInt8>, _ index: Int, _ individual: Bool) -> Int {
        if CharacterClass.at(index, in: text) != CharacterClass.number {
            return CharacterClass.run(of: ~CharacterClass.number, in: text, from: index)
        }
        return individual ? index + UTF8Text.length(startingWith: text[index]) : CharacterClass.run(of: CharacterClass.number, in: text, from: index)
    }

    /// The end of `\s+(?!\S)|\s+`: before a word the last space stays with the word.
    private static func spaceEnd(_ text: Span<UInt8>, _ index: Int, runEnd: Int? = nil) -> Int {
        let end = runEnd ?? CharacterClass.run(of: CharacterClass.space, in: text, from: index)
        let last = UTF8Text.start(before: end, in: text)
        return end < text.count && last > index ? last : end
    }

    private static func isNewline(_ byte: UInt8) -> Bool { byte == 0x0a || byte == 0x0d }

    /// The end of 's, 't, 're, 've, 'm, 'll or 'd at `index`. Without regard to case, the long s counts as s.
    private static func contractionEnd(_ text: Span<UInt8>, _ index: Int, ignoresCase: Bool) -> Int? {
        guard index + 1 < text.count else { return nil }
        func letter(_ offset: Int) -> UInt8 {
            guard index + offset < text.count else { return 0 }
            let byte = text[index + offset]
            return ignoresCase && byte &- 0x41 < 26 ? byte | 0x20 : byte
        }
        switch letter(1) {
        case UInt8(ascii: "s"), UInt8(ascii: "t"), UInt8(ascii: "m"), UInt8(ascii: "d"): return index + 2
        case UInt8(ascii: "r"), UInt8(ascii: "v"): return letter(2) == UInt8(ascii: "e") ? index + 3 : nil
        case UInt8(ascii: "l"): return letter(2) == UInt8(ascii: "l") ? index + 3 : nil
        case 0xc5: return ignoresCase && letter(2) == 0xbf ? index + 3 : nil
        default: return nil
        }
    }
}
