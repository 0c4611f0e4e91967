import BitsCore
import BitsIO
import BitsModels
import BitsNN
import BitsQuant
import BitsTune
import CLexicon
import Testing
import _BitsTestSupport

@Suite("Merging an adapter")
struct MergeTests {
    private let ids = TokenBatch([3, 1, 4, 1, 5, 9, 2, 6])

    /// The built-in model with an adapter that changes it.
    private func adapted(_ quantization: Quantization?) throws -> (loaded: LoadedModel, adapter: Adapter) {
        clexicon_link()
        let loaded = try LoadedModel(ModelFolder("lexicon-5m"), options: LoadOptions(quantization: quantization))
        var generator = RandomGenerator(seed: 4)
        let adapter = try Adapter(on: loaded.model, LoRAConfiguration(rank: 4, alpha: 8), using: &generator)
        for (_, layer) in adapter.layers { layer.up.value = .normal(layer.up.shape, standardDeviation: 0.02, using: &generator) }
        return (loaded, adapter)
    }

    @Test("The merged model computes what the adapted one did, in plain layers", arguments: [nil, .fourBit(.nf4)] as [Quantization?])
    func merged(quantization: Quantization?) throws {
        let (loaded, adapter) = try adapted(quantization)
        let (before, weights) = (loaded.model.logits(ids), loaded.model.namedParameters().count)
        adapter.merge(into: loaded.model)
        #expect(!loaded.model.namedModules().contains { $0.module is LoRALinear || $0.module is Linear4bit })
        #expect(loaded.model.namedParameters().count < weights && loaded.model.trainableParameters().isEmpty)
        // Each weight is rounded to bfloat16 once more.
        #expect(try distance(loaded.model.logits(ids), before) < 2e-2)
        let plain = try LoadedModel(ModelFolder("lexicon-5m"), options: LoadOptions(quantization: quantization))
        #expect(try distance(plain.model.logits(ids), before) > 5e-2)
    }

    @Test("A model with an adapter on it is not saved; the merged one is, plain or quantized anew")
    func saved() throws {
        let scratch = try TemporaryFolder()
        let (loaded, adapter) = try adapted(.fourBit(.nf4))
        let error = #expect(throws: ModelFileError.self) { try loaded.save(to: "\(scratch.path)/m") }
        #expect("\(error.map { "\($0)" } ?? "")".contains("merge adapters before saving"))
        adapter.merge(into: loaded.model)
        try loaded.save(to: "\(scratch.path)/m")
        let again = try LoadedModel(ModelFolder(path: "\(scratch.path)/m"))
        #expect(try again.model.logits(ids).bytes() == loaded.model.logits(ids).bytes())
        #expect(again.report.warnings == [] && again.report.quantized == [] && again.configuration.fields.contains("quantization_config") == false)
        #expect(try Tokenizer(ModelFolder(path: "\(scratch.path)/m")).vocabularySize > 0)
        try loaded.model.quantize(to: .int8())
        try loaded.save(to: "\(scratch.path)/q")
        let packed = try LoadedModel(ModelFolder(path: "\(scratch.path)/q"))
        #expect(try packed.model.logits(ids).bytes() == loaded.model.logits(ids).bytes() && packed.report.quantized.count == 42)
    }
}
