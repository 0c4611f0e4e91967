import BitsCore
import BitsIO
import BitsModels
import BitsTune
import CLexicon
import Testing

@Suite("Examples that cannot be learned from")
struct TrainingErrorTests {
    private func error(_ examples: [TokenizedExample]) throws -> TrainingError? {
        clexicon_link()
        let model = try LoadedModel(ModelFolder("lexicon-5m")).model
        var generator = RandomGenerator(seed: 1)
        let adapter = try Adapter(on: model, LoRAConfiguration(rank: 2, targets: .named(["q_proj"])), using: &generator)
        return #expect(throws: TrainingError.self) {
            try Trainer(model, training: TrainedWeights(adapter, in: model), on: TrainingData(examples)).run()
        }
    }

    @Test("Examples without a completion are refused with their number")
    func noCompletions() throws {
        #expect(try error([]) == .nothingToLearn(examples: 0))
        let found = try error([TokenizedExample(ids: [1, 2], completionStart: 2), TokenizedExample(ids: [3], completionStart: 1)])
        #expect(found == .nothingToLearn(examples: 2))
        #expect(found?.description.contains("none of 2 examples has anything to learn") == true)
    }

    @Test("A token that the model does not know is refused", arguments: [-1, 4096] as [Int32])
    func unknownToken(token: Int32) throws {
        let examples = [TokenizedExample(ids: [1, 2, 3], completionStart: 1), TokenizedExample(ids: [1, token, 2], completionStart: 2)]
        #expect(try error(examples) == .unknownToken(token, vocabulary: 4096))
    }
}
