/// Puts text together from tokens, one at a time.
struct TextAssembler: Sendable {
    private let decoder: TokenDecoder
    /// Whether bytes are given out before their run ends.
    private let isEager: Bool
    /// Text that is settled and not taken yet.
    private var settled: [UInt8] = []
    /// Bytes that may be part of a character.
    private var bytes: [UInt8] = []
    private var tokenCount = 0
    /// How many characters may still be dropped from the start.
    private var droppable: Int

    /// - Parameter isEager: complete characters are given out at once; else a run of byte tokens is judged as a whole, as tokenizers do: if it is
    ///   not UTF-8, each byte becomes U+FFFD.
    init(_ decoder: TokenDecoder, isEager: Bool) {
        self.decoder = decoder
        self.isEager = isEager
        droppable = decoder.dropped.count
    }

    /// Adds a token's text as it stands in the vocabulary.
    mutating func append(_ token: Span<UInt8>) {
        defer { tokenCount += 1 }
        switch decoder.kind {
        case .byteLevel:
            ByteAlphabet.decode(token, into: &bytes)
            if isEager { settleCompleteCharacters() }
        case .spaced:
            if tokenCount > 0 { settled.append(0x20) }
            for index in token.indices { settled.append(token[index]) }
        case .metaspace(let mark, let dropsFirst):
            appendText(Normalizer.replacing(mark, with: dropsFirst && tokenCount == 0 ? [] : [0x20], in: token))
        case .text:
            var text = [UInt8]()
            for index in token.indices { text.append(token[index]) }
            for replacement in decoder.replacements { text = Normalizer.replacing(replacement.from, with: replacement.to, in: text.span) }
            if decoder.fallsBackToBytes, let byte = TextAssembler.fallbackByte(text) {
                bytes.append(byte)
                if isEager { settleCompleteCharacters() }
            } else {
                settleRun()
                appendText(text)
            }
        }
    }

    /// The byte that `<0xNN>` stands for.
    private static func fallbackByte(_ text: [UInt8]) -> UInt8? {
        guard text.count == 6, text.starts(with: [0x3c, 0x30, 0x78]), text[5] == 0x3e else { return nil }
        return UInt8(String(decoding: text[3..<5], as: UTF8.self), radix: 16)
    }

    /// Takes the text that is settled.
    mutating func take() -> String {
        defer { settled.removeAll(keepingCapacity: true) }
        return String(decoding: settled, as: UTF8.self)
    }

    /// Takes all text that is left.
    mutating func finish() -> String {
        settleRun()
        return take()
    }

    private mutating func settleCompleteCharacters() {
        let held = UTF8Text.incompleteSuffix(of: bytes)
        guard held < bytes.count else { return }
        appendText(Array(String(decoding: bytes.dropLast(held), as: UTF8.self).utf8))
        bytes.removeFirst(bytes.count - held)
    }

    private mutating func settleRun() {
        guard !bytes.isEmpty else { return }
        if decoder.kind == .byteLevel || String(validating: bytes, as: UTF8.self) != nil {
            appendText(Array(String(decoding: bytes, as: UTF8.self).utf8))
        } else {
            for _ in bytes { appendText([0xef, 0xbf, 0xbd]) }
        }
        bytes.removeAll(keepingCapacity: true)
    }

    private mutating func appendText(_ text: [UInt8]) {
        var start = 0
        let character = decoder.dropped.character
        while droppable > 0 && start < text.count {
            if text[start...].starts(with: character) {
                start += character.count
                droppable -= 1
            } else {
                droppable = 0
            }
        }
        settled.append(contentsOf: text[start...])
    }
}
