import BitsCore
import BitsIO
import Testing

/// Models of every kind with their normalizers, decoders and templates, held against what Hugging Face's tokenizers answered
/// (Cases/record-tokenizer-kinds.py).
@Suite("Tokenizer kinds")
struct TokenizerKindTests {
    struct Kind: Sendable, CustomTestStringConvertible {
        let testDescription: String
        let texts: [String]
        let answers: ConfigurationFields

        func tokenizer() throws -> Tokenizer {
            let file = JSONValue.object(try answers.require("tokenizer", as: JSONObject.self))
            return try TokenizerFixture.tokenizer(Array(file.compactText.utf8))
        }

        /// Neighbouring texts.
        var pairs: [(String, String)] { Array(zip(texts, texts.dropFirst())) }
    }

    static let kinds: [Kind] = {
        do {
            let file = try ConfigurationFields(MappedFile(path: "\(TokenizerFixture.testFolder)/Cases/tokenizer-kinds.json"))
            let texts = try file.require("texts", as: [String].self)
            return try file.sections("cases").map { Kind(testDescription: try $0.require("name"), texts: texts, answers: $0) }
        } catch {
            Issue.record(error)
            return []
        }
    }()

    @Test("Texts give the recorded ids", arguments: kinds)
    func encodes(_ kind: Kind) throws {
        let tokenizer = try kind.tokenizer()
        let ids = try kind.answers.require("ids", as: [[Int32]].self)
        #expect(ids.count == kind.texts.count)
        for (text, ids) in zip(kind.texts, ids) {
            #expect(tokenizer.encode(text) == ids, "\(text.debugDescription)")
            let encoded = tokenizer.encode(text, pair: nil)
            #expect(encoded.ids == ids && encoded.segments.count == ids.count && encoded.isTemplate.count == ids.count)
        }
    }

    @Test("Pairs of texts give the recorded ids and segments, also cut to a length", arguments: kinds)
    func pairs(_ kind: Kind) throws {
        let tokenizer = try kind.tokenizer()
        let ids = try kind.answers.require("pairs", as: [[Int32]].self)
        let segments = try kind.answers.require("segments", as: [[Int32]].self)
        let plain = try kind.answers.require("plain_segments", as: [[Int32]].self)
        let cut = try kind.answers.require("cut_to_9", as: [[Int32]].self)
        for (index, pair) in kind.pairs.enumerated() {
            let encoded = tokenizer.encode(pair.0, pair: pair.1)
            #expect(encoded.ids == ids[index] && encoded.segments == segments[index], "\(pair)")
            let bare = tokenizer.encode(pair.0, pair: pair.1, addsSpecialTokens: false)
            #expect(bare.segments == plain[index] && !bare.isTemplate.contains(true), "\(pair)")
            #expect(encoded.isTemplate.count { !$0 } == bare.count)
            #expect(tokenizer.encode(pair.0, pair: pair.1, truncation: TruncationRule(maximumLength: 9)).ids == cut[index], "\(pair)")
        }
    }

    @Test("Ids give the recorded texts, forwards, backwards and one by one", arguments: kinds)
    func decodes(_ kind: Kind) throws {
        let tokenizer = try kind.tokenizer()
        let ids = try kind.answers.require("ids", as: [[Int32]].self)
        let decoded = try kind.answers.require("decoded", as: [String].self)
        let withSpecial = try kind.answers.require("decoded_with_special", as: [String].self)
        let backwards = try kind.answers.require("backwards", as: [String].self)
        for (index, ids) in ids.enumerated() {
            #expect(tokenizer.decode(ids) == decoded[index])
            #expect(tokenizer.decode(ids, skipsSpecialTokens: false) == withSpecial[index])
            #expect(tokenizer.decode(ids.reversed()) == backwards[index])
            var stream = tokenizer.stream()
            #expect(ids.reduce("") { $0 + stream.append($1) } + stream.finish() == decoded[index], "\(kind.texts[index].debugDescription)")
        }
    }

    @Test("There are recorded kinds")
    func exist() { #expect(TokenizerKindTests.kinds.count > 12) }

    @Test(
        "Long texts without a place to cut take time in proportion to their length, with every kind",
        arguments: kinds, ["a", "é", "e\u{301}", "\u{316}\u{301}", "東", "\r\n", "🇩🇪", "ab 🙂", " ", "[MASK] "])
    func linear(_ kind: Kind, _ unit: String) throws {
        let tokenizer = try kind.tokenizer()
        func time(_ count: Int) -> Duration {
            let text = String(repeating: unit, count: count)
            return ContinuousClock().measure { _ = tokenizer.decode(tokenizer.encode(text)) }
        }
        let short = min(time(1000), time(1000))
        // Sixteen times the text: 256 times the time if it were quadratic.
        #expect(min(time(16_000), time(16_000)) < short * 100 + .milliseconds(20))
    }

    @Test("Damage never crashes, neither reading nor encoding", arguments: kinds)
    func damaged(_ kind: Kind) throws {
        let bytes = Array(JSONValue.object(try kind.answers.require("tokenizer", as: JSONObject.self)).compactText.utf8)
        var random = SplitMix(state: 17)
        for _ in 0..<40 {
            var damaged = bytes
            for _ in 0..<Int.random(in: 1...12, using: &random) {
                damaged[Int.random(in: 0..<damaged.count, using: &random)] = UInt8.random(in: 0x20...0x7e, using: &random)
            }
            guard let tokenizer = try? TokenizerFixture.tokenizer(damaged) else { continue }
            for text in kind.texts { _ = tokenizer.decode(tokenizer.encode(text, pair: "a b").ids) }
        }
    }
}
