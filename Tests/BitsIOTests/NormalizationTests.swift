import BitsCore
import Testing

@testable import BitsIO

/// Normalization forms, held against those of Hugging Face's tokenizers (Cases/record-normalizations.py).
@Suite("Normalization forms")
struct NormalizationTests {
    static let forms: [NormalizationForm] = [.composed, .decomposed, .compatiblyComposed, .compatiblyDecomposed]

    private func normalized(_ text: String, _ form: NormalizationForm) -> [UInt8] { form.apply(Array(text.utf8)) }

    @Test("Every text gets the recorded form, and keeps it", arguments: forms)
    func recorded(_ form: NormalizationForm) throws {
        let file = try ConfigurationFields(MappedFile(path: "\(TokenizerFixture.testFolder)/Cases/normalizations.json"))
        let texts = try file.require("texts", as: [String].self)
        let answers = try file.require(form.rawValue, as: [String].self)
        #expect(texts.count == answers.count && !texts.isEmpty)
        for (text, answer) in zip(texts, answers) {
            let result = normalized(text, form)
            #expect(result == Array(answer.utf8), "\(text.unicodeScalars.map { String($0.value, radix: 16) })")
            #expect(form.apply(result) == result)
            // What stands around changes nothing.
            #expect(normalized("xyz \(text) é", form) == normalized("xyz ", form) + result + normalized(" é", form))
        }
    }

    @Test("A long run of marks is put in order at once", .timeLimit(.minutes(1)), arguments: forms)
    func longRuns(_ form: NormalizationForm) {
        let count = 100_000
        let result = normalized("a" + String(repeating: "\u{316}\u{301}", count: count), form)
        let below = Array(String(repeating: "\u{316}", count: count).utf8)
        // The acute accent composes with the letter past marks below it, once.
        let (first, rest) = form == .decomposed || form == .compatiblyDecomposed ? ("a", count) : ("á", count - 1)
        #expect(result == Array(first.utf8) + below + Array(String(repeating: "\u{301}", count: rest).utf8))
    }
}
