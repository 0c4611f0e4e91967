import BitsIO
import CLexicon
import Testing

@Suite("Tokenizer")
struct TokenizerTests {
    private func lexicon() throws -> Tokenizer {
        clexicon_link()
        return try Tokenizer(ModelFolder("lexicon-5m"))
    }

    @Test("The embedded model's tokenizer gives the ids of Hugging Face's tokenizers")
    func embedded() throws {
        let tokenizer = try lexicon()
        #expect(tokenizer.vocabularySize == 4096)
        #expect(
            tokenizer.encode("In the beginning God created 123 naïve cafés.") == [
                0, 3809, 270, 3324, 632, 3390, 223, 3882, 21, 328, 67, 130, 110, 316, 278, 1086, 130, 105, 85, 16,
            ])
        #expect(tokenizer.encode("In the beginning", addsSpecialTokens: false) == Array(tokenizer.encode("In the beginning").dropFirst()))
        #expect(tokenizer.id(of: "<|end_of_text|>") == 1 && tokenizer.token(1) == "<|end_of_text|>" && tokenizer.isSpecial(1))
        #expect(tokenizer.id(of: "no such token") == nil && tokenizer.token(-1) == nil && tokenizer.token(4096) == nil && !tokenizer.isSpecial(300))
    }

    @Test("Byte-level text comes back unchanged, at once and token by token")
    func roundTrip() throws {
        let tokenizer = try lexicon()
        var random = SplitMix(state: 11)
        for _ in 0..<2000 {
            let text = randomText(&random)
            let ids = tokenizer.encode(text)
            #expect(tokenizer.decode(ids) == text)
            var stream = tokenizer.stream()
            var streamed = ""
            for id in ids {
                let part = stream.append(id)
                #expect(!part.unicodeScalars.contains("\u{fffd}") || text.unicodeScalars.contains("\u{fffd}"))
                streamed += part
            }
            #expect(Array((streamed + stream.finish()).utf8) == Array(text.utf8))
        }
    }

    @Test("A character in pieces is held back until it is complete, and given up when it cannot be")
    func heldBack() throws {
        let tokenizer = try lexicon()
        let bytes = [0xf0, 0x9f, 0x99, 0x82, 0x41].map { byte in byteToken(byte, tokenizer) }
        var stream = tokenizer.stream()
        #expect(bytes.map { stream.append($0) } == ["", "", "", "🙂", "A"] && stream.finish() == "")
        stream = tokenizer.stream()
        #expect([0, 1, 4].map { stream.append(bytes[$0]) } == ["", "", "\u{fffd}A"])
        #expect(stream.append(bytes[0]) == "" && stream.finish() == "\u{fffd}")
        #expect(tokenizer.decode([bytes[1], bytes[0], bytes[1], bytes[4]]) == "\u{fffd}\u{fffd}A")
    }

    @Test("Byte fallback holds back in the same way, and drops only the first space")
    func fallback() throws {
        let tokenizer = try TokenizerFixture(base: "llama").tokenizer()
        let euro = ["<0xE2>", "<0x82>", "<0xAC>"].compactMap { tokenizer.id(of: $0) }
        let mark = try #require(tokenizer.id(of: "▁"))
        var stream = tokenizer.stream()
        #expect(([mark, mark] + euro + [mark]).map { stream.append($0) } == ["", " ", "", "", "€", " "])
        stream = tokenizer.stream()
        #expect([mark, euro[0], mark].map { stream.append($0) } == ["", "", "\u{fffd} "])
        #expect(tokenizer.decode([euro[0], euro[1], mark]) == "\u{fffd}\u{fffd} ")
    }

    /// The token of one byte.
    private func byteToken(_ byte: Int, _ tokenizer: Tokenizer) -> Int32 {
        // GPT-2's alphabet: printable Latin-1 stands for itself, the rest follows from U+0100 in order.
        let printable = Array(0x21...0x7e) + Array(0xa1...0xac) + Array(0xae...0xff)
        let scalar = printable.contains(byte) ? byte : 0x100 + (0..<byte).count { !printable.contains($0) }
        return Unicode.Scalar(UInt32(scalar)).flatMap { tokenizer.id(of: String(Character($0))) } ?? -1
    }

    private func randomText(_ random: inout SplitMix) -> String {
        var scalars = String.UnicodeScalarView()
        let ranges: [ClosedRange<UInt32>] = [
            0x20...0x7e, 0x20...0x7e, 0x00...0x7f, 0x80...0x2ff, 0x300...0xffff, 0x1f300...0x1f6ff, 0x10000...0x10ffff,
        ]
        for _ in 0..<Int.random(in: 0...40, using: &random) {
            if let scalar = Unicode.Scalar(UInt32.random(in: ranges[Int.random(in: 0..<ranges.count, using: &random)], using: &random)) {
                scalars.append(scalar)
            }
        }
        return String(scalars)
    }

    @Test("Long pieces are merged as the rule says: always the earliest merge, the leftmost first")
    func longPieces() throws {
        let fixture = try TokenizerFixture(base: "llama")
        let tokenizer = try fixture.tokenizer()
        let rule = try NaiveBytePairs(fixture)
        var random = SplitMix(state: 5)
        for length in [1, 2, 23, 24, 25, 26, 100, 3000] {
            for _ in 0..<20 {
                let text = String((0..<length).map { _ in "the quickabn fo xs1420 ▁e".randomElement(using: &random) ?? "a" })
                #expect(
                    tokenizer.encode(text, addsSpecialTokens: false)
                        == rule.encode("▁" + text.split(separator: " ", omittingEmptySubsequences: false).joined(separator: "▁")))
            }
        }
    }

    @Test("A tokenizer works from several threads at once")
    func threads() async throws {
        let tokenizer = try lexicon()
        let texts = (0..<64).map { "word \($0) of the beginning, \(String(repeating: "and light ", count: $0))" }
        let expected = texts.map { tokenizer.encode($0) }
        let results = await withTaskGroup(of: (Int, [Int32]).self) { group in
            for _ in 0..<4 { for (index, text) in texts.enumerated() { group.addTask { (index, tokenizer.encode(text)) } } }
            return await group.reduce(into: [(Int, [Int32])]()) { $0.append($1) }
        }
        #expect(results.count == 256 && results.allSatisfy { expected[$0.0] == $0.1 })
    }
}

/// Byte-pair encoding as it is defined, one merge at a time over the whole text.
private struct NaiveBytePairs {
    private var ids: [String: Int32] = [:]
    private var ranks: [String: [String: Int]] = [:]

    init(_ fixture: TokenizerFixture) throws {
        guard case .object(let model) = fixture.object["model"], case .object(let vocabulary) = model["vocab"],
            case .array(let merges) = model["merges"]
        else { return }
        for token in vocabulary.keys { ids[token] = vocabulary[token].flatMap { Int32($0) } }
        for (rank, merge) in merges.enumerated() {
            guard case .array(let pair) = merge, case .string(let left) = pair[0], case .string(let right) = pair[1] else { continue }
            ranks[left, default: [:]][right] = rank
        }
    }

    func encode(_ text: String) -> [Int32] {
        var symbols = text.unicodeScalars.map { String($0) }
        while true {
            let candidates = symbols.indices.dropLast().compactMap { index in
                ranks[symbols[index]]?[symbols[index + 1]].map { (rank: $0, index: index) }
            }
            guard let best = candidates.min(by: { ($0.rank, $0.index) < ($1.rank, $1.index) }) else { break }
            symbols[best.index] += symbols.remove(at: best.index + 1)
        }
        return symbols.compactMap { ids[$0] }
    }
}
