/// A step of a decoder at work: it takes tokens one by one and gives those that are settled.
///
/// After a step that leaves one token, that comes in parts as they are known. A step that has to see the whole token waits for the end then.
struct DecodingStep: Sendable {
    private let step: TokenDecoder.Step
    /// Whether one token comes, in parts.
    private let isFused: Bool
    /// Whether bytes are given out before their run ends.
    private let isEager: Bool
    private var tokenCount = 0
    /// Bytes that may be part of a character, or what waits for the end.
    private var held: [UInt8] = []
    /// The token before.
    private var previous: [UInt8]?
    /// How many characters may still be dropped from the start of the one token.
    private var droppable = 0

    init(_ step: TokenDecoder.Step, isFused: Bool, isEager: Bool) {
        self.step = step
        self.isFused = isFused
        self.isEager = isEager
        if case .strip(_, let start, _) = step { droppable = start }
    }

    /// Whether parts of the one token wait for its end.
    private var waits: Bool {
        switch step {
        case .fuse: false
        case .strip(_, _, let stop): isFused && stop > 0
        default: isFused
        }
    }

    /// Takes a token.
    mutating func append(_ token: Span<UInt8>) -> [[UInt8]] {
        if waits {
            held.append(token)
            return []
        }
        return take(token)
    }

    /// Gives what is left.
    mutating func finish() -> [[UInt8]] {
        guard waits else { return rest() }
        let token = held
        held = []
        return take(token.span) + rest()
    }

    private mutating func take(_ token: Span<UInt8>) -> [[UInt8]] {
        defer { tokenCount += 1 }
        switch step {
        case .byteLevel:
            ByteAlphabet.decode(token, into: &held)
            return isEager ? completeCharacters() : []
        case .spaced: return [tokenCount > 0 ? [0x20] + Array(token) : Array(token)]
        case .fuse: return [Array(token)]
        case .wordPiece(let prefix, let cleansUp):
            let text = Array(token)
            let word = tokenCount == 0 ? text : text.starts(with: prefix) ? Array(text.dropFirst(prefix.count)) : [0x20] + text
            return [cleansUp ? TextCleanup.apply(word) : word]
        case .metaspace(let mark, let dropsFirst):
            return [TextReplacement.replacing(mark, with: dropsFirst && tokenCount == 0 ? [] : [0x20], in: token)]
        case .endOfWord(let suffix):
            defer { previous = Array(token) }
            return previous.map { [TextReplacement.replacing(suffix, with: [0x20], in: $0.span)] } ?? []
        case .ctc(let padding, let delimiter, let cleansUp):
            let text = Array(token)
            defer { previous = text }
            guard text != previous else { return [] }
            var kept = TextReplacement.replacing(padding, with: [], in: token)
            if cleansUp { kept = TextReplacement.replacing(delimiter, with: [0x20], in: TextCleanup.apply(kept).span) }
            return kept.isEmpty ? [] : [kept]
        case .byteFallback:
            guard let byte = DecodingStep.fallbackByte(token) else { return rest() + [Array(token)] }
            held.append(byte)
            return isEager ? completeCharacters() : []
        case .strip(let character, let start, let stop):
            return [isFused && stop == 0 ? dropped(character, token) : DecodingStep.stripped(token, of: character, start, stop)]
        case .replace(let replacement): return [replacement.apply(token)]
        }
    }

    /// What the step still holds.
    private mutating func rest() -> [[UInt8]] {
        defer {
            held = []
            previous = nil
        }
        switch step {
        case .byteLevel: return held.isEmpty ? [] : [Array(String(decoding: held, as: UTF8.self).utf8)]
        case .byteFallback:
            // A run of byte tokens is judged as a whole.
            let isValid = String(validating: held, as: UTF8.self) != nil
            return held.isEmpty ? [] : isValid ? [held] : held.map { _ in [0xef, 0xbf, 0xbd] }
        case .endOfWord(let suffix): return previous.map { [TextReplacement.replacing(suffix, with: [], in: $0.span)] } ?? []
        default: return []
        }
    }

    private mutating func completeCharacters() -> [[UInt8]] {
        let waiting = UTF8Text.incompleteSuffix(of: held)
        guard waiting < held.count else { return [] }
        defer { held.removeFirst(held.count - waiting) }
        return [Array(String(decoding: held.dropLast(waiting), as: UTF8.self).utf8)]
    }

    /// A part of the one token, without the characters that are still to be dropped from its start.
    private mutating func dropped(_ character: [UInt8], _ part: Span<UInt8>) -> [UInt8] {
        let text = Array(part)
        var start = 0
        while droppable > 0 && start < text.count {
            if text[start...].starts(with: character) {
                start += character.count
                droppable -= 1
            } else {
                droppable = 0
            }
        }
        return Array(text[start...])
    }

    private static func stripped(_ token: Span<UInt8>, of character: [UInt8], _ start: Int, _ stop: Int) -> [UInt8] {
        var text = Array(token)[...]
        var (start, stop) = (start, stop)
        while start > 0 && text.starts(with: character) {
            text.removeFirst(character.count)
            start -= 1
        }
        while stop > 0 && text.count >= character.count && text.suffix(character.count).elementsEqual(character) {
            text.removeLast(character.count)
            stop -= 1
        }
        return Array(text)
    }

    /// The byte that `<0xNN>` stands for.
    private static func fallbackByte(_ token: Span<UInt8>) -> UInt8? {
        guard token.count == 6, token[0] == 0x3c, token[1] == 0x30, token[2] == 0x78, token[5] == 0x3e else { return nil }
        return UInt8(String(decoding: [token[3], token[4]], as: UTF8.self), radix: 16)
    }
}
