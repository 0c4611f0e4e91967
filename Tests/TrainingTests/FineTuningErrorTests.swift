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

    @Test("Examples without a completion are refused with their number")
    func noCompletions() throws {
        #expect(try error([]) == .noCompletions(examples: 0))
        let found = try error([CompletionTokens(ids: [1, 2], completionStart: 2), CompletionTokens(ids: [3], completionStart: 1)])
        #expect(found == .noCompletions(examples: 2))
        #expect(found?.description.contains("none of 2 examples has a completion") == true)
    }

    @Test("A token that the model does not know is refused", arguments: [-1, 4096] as [Int32])
    func unknownToken(token: Int32) throws {
        let examples = [CompletionTokens(ids: [1, 2, 3], completionStart: 1), CompletionTokens(ids: [1, token, 2], completionStart: 2)]
        #expect(try error(examples) == .unknownToken(token, vocabulary: 4096))
    }
}
