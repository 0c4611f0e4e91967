import BitsCore
import BitsIO
import Testing

@Suite("Cutting and filling up")
struct TextLengthTests {
    private func tokenizer(_ changes: JSONObject = JSONObject()) throws -> Tokenizer {
        try TokenizerFixture(base: "bert", changes: changes).tokenizer()
    }

    @Test("A file's truncation and padding are offered, and not applied unasked")
    func offered() throws {
        let tokenizer = try tokenizer([
            "truncation": ["direction": "Left", "max_length": 5, "strategy": "OnlyFirst", "stride": 0],
            "padding": [
                "strategy": ["Fixed": 7], "direction": "Left", "pad_to_multiple_of": 4, "pad_id": 3, "pad_type_id": 1, "pad_token": "[SEP]",
            ],
        ])
        let truncation = try #require(tokenizer.truncation)
        #expect(truncation == TruncationRule(maximumLength: 5, strategy: .onlyFirst, cutsEnd: false))
        let padding = try #require(tokenizer.padding)
        #expect(padding == PaddingRule(token: 3, segment: 1, length: 7, multiple: 4, fillsEnd: false))
        let whole = tokenizer.encode("the quick brown fox jumps", addsSpecialTokens: false)
        #expect(whole.count > 3)
        let cut = tokenizer.encode("the quick brown fox jumps", pair: nil, truncation: truncation)
        #expect(cut.ids == [2] + whole.suffix(3) + [3])
        let filled = padding.apply([cut])
        #expect(filled.texts[0].ids == [3, 3, 3] + cut.ids && filled.texts[0].segments == [1, 1, 1, 0, 0, 0, 0, 0])
        #expect(filled.isText == [[false, false, false, true, true, true, true, true]])
        #expect(try self.tokenizer().truncation == nil && self.tokenizer().padding == nil)
    }

    @Test("Texts are filled up to the longest, rounded up")
    func longest() {
        let texts = [
            EncodedText(ids: [5, 6], segments: [0, 1], isTemplate: [true, false]),
            EncodedText(ids: [7, 8, 9], segments: [0, 0, 0], isTemplate: [false, false, false]),
        ]
        let filled = PaddingRule(token: 1, multiple: 4).apply(texts)
        #expect(filled.texts.map(\.ids) == [[5, 6, 1, 1], [7, 8, 9, 1]])
        #expect(filled.texts[0].segments == [0, 1, 0, 0] && filled.texts[0].isTemplate == [true, false, true, true])
        #expect(filled.isText[1] == [true, true, true, false])
        #expect(PaddingRule(token: 1, length: 1).apply(texts).texts == texts)
        #expect(PaddingRule(token: 1).apply([]).texts.isEmpty)
    }

    @Test(
        "Each strategy cuts what it says",
        arguments: [
            (TruncationRule.Strategy.longestFirst, 10, 7, 3), (.longestFirst, 3, 2, 1), (.longestFirst, 5, 3, 2), (.longestFirst, 11, 8, 3),
            (.onlyFirst, 5, 2, 3), (.onlyFirst, 3, 0, 3), (.onlySecond, 9, 8, 1), (.onlySecond, 5, 8, 0), (.longestFirst, 0, 0, 0),
        ])
    func strategies(_ strategy: TruncationRule.Strategy, _ length: Int, _ first: Int, _ second: Int) throws {
        let tokenizer = try tokenizer(["post_processor": nil])
        let (one, two) = ("[MASK] [MASK] [MASK] [MASK] [MASK] [MASK] [MASK] [MASK]", "[CLS] [CLS] [CLS]")
        let encoded = tokenizer.encode(one, pair: two, truncation: TruncationRule(maximumLength: length, strategy: strategy))
        #expect(encoded.segments.count { $0 == 0 } == first && encoded.segments.count { $0 == 1 } == second)
    }
}
