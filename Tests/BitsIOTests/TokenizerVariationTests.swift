import BitsCore
import BitsIO
import Testing

/// Components that the recorded models do not use, held against what Hugging Face's tokenizers answered (Cases/record-tokenizers.py).
@Suite("Tokenizer variations")
struct TokenizerVariationTests {
    struct Variation: Sendable, CustomTestStringConvertible {
        let base: String
        let changes: JSONObject
        let added: [JSONValue]
        let texts: [String]
        let answers: ConfigurationFields

        var testDescription: String { "\(base) \(JSONValue.object(changes).compactText) with \(added.count) added tokens" }

        func tokenizer() throws -> Tokenizer { try TokenizerFixture(base: base, changes: changes, added: added).tokenizer() }
    }

    static let variations: [Variation] = {
        do {
            let file = try ConfigurationFields(MappedFile(path: "\(TokenizerFixture.testFolder)/Cases/tokenizers.json"))
            let texts = try file.require("texts", as: [String].self)
            return try file.sections("cases").map { fields in
                Variation(
                    base: try fields.require("base"), changes: try fields.require("changes"),
                    added: try fields.require("added", as: [JSONObject].self).map { .object($0) }, texts: texts,
                    answers: fields)
            }
        } catch {
            Issue.record(error)
            return []
        }
    }()

    @Test("Every variation gives the recorded ids", arguments: variations)
    func encodes(_ variation: Variation) throws {
        let tokenizer = try variation.tokenizer()
        let ids = try variation.answers.require("ids", as: [[Int32]].self)
        for (text, ids) in zip(variation.texts, ids) { #expect(tokenizer.encode(text) == ids, "\(text.debugDescription)") }
    }

    @Test("Every variation gives the recorded texts, forwards and backwards", arguments: variations)
    func decodes(_ variation: Variation) throws {
        let tokenizer = try variation.tokenizer()
        let ids = try variation.answers.require("ids", as: [[Int32]].self)
        let decoded = try variation.answers.require("decoded", as: [String].self)
        let withSpecial = try variation.answers.require("decoded_with_special", as: [String].self)
        let backwards = try variation.answers.require("backwards", as: [String].self)
        for (index, ids) in ids.enumerated() {
            #expect(tokenizer.decode(ids) == decoded[index])
            #expect(tokenizer.decode(ids, skipsSpecialTokens: false) == withSpecial[index])
            #expect(tokenizer.decode(ids.reversed()) == backwards[index])
            #expect(streamed(ids, tokenizer) == decoded[index], "\(variation.texts[index].debugDescription)")
        }
    }

    @Test("There are recorded variations")
    func exist() { #expect(TokenizerVariationTests.variations.count > 20) }

    private func streamed(_ ids: [Int32], _ tokenizer: Tokenizer) -> String {
        var stream = tokenizer.stream()
        return ids.reduce("") { $0 + stream.append($1) } + stream.finish()
    }
}
