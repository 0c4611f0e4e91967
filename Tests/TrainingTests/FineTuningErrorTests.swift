import BitsCore
import BitsIO
import BitsModels
import BitsTune
import CLexicon
import Testing

@Suite("Examples that cannot be learned from")
struct FineTuningErrorTests {
    private func error(_ examples: [CompletionTokens]) throws -> FineTuningError? {
        clexicon_link()
        let model = try LoadedModel(ModelFolder("lexicon-5m")).model
        var generator = RandomGenerator(seed: 1)
        let adapter = try Adapter(on: model, LoRAConfiguration(rank: 2, targets: .named(["q_proj"])), using: &generator)
        return #expect(throws: FineTuningError.self) { try fineTune(model, adapter: adapter, on: examples) }
    }

    private func example(_ ids: [Int32], from start: Int) throws -> CompletionTokens {
        let tokenizer = try Tokenizer(ModelFolder("lexicon-5m"))
        var tokens = CompletionTokens(CompletionExample(prompt: "a", completion: "b"), tokenizer: tokenizer, begin: nil, end: nil, maxLength: 8)
        tokens.ids = ids
        tokens.completionStart = start
        return tokens
    }

    @Test("Examples without a completion are refused with their number")
    func noCompletions() throws {
        #expect(try error([]) == .noCompletions(examples: 0))
        let found = try error([example([1, 2], from: 2), example([3], from: 1)])
        #expect(found == .noCompletions(examples: 2))
        #expect(found?.description.contains("none of 2 examples has a completion") == true)
    }

    @Test("A token that the model does not know is refused", arguments: [-1, 4096] as [Int32])
    func unknownToken(token: Int32) throws {
        #expect(try error([example([1, 2, 3], from: 1), example([1, token, 2], from: 2)]) == .unknownToken(token, vocabulary: 4096))
    }
}
