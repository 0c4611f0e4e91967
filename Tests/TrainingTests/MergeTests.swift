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

/// What a merge through files measures and writes.
@Suite("Merging from files to files")
struct MergeReportTests {
    private let ids = TokenBatch([3, 1, 4, 1, 5, 9, 2, 6])

    @Test("A head that shares the table of an adapted embedding is written with a weight of its own, and read as one")
    func untied() throws {
        clexicon_link()
        let scratch = try TemporaryFolder()
        let loaded = try LoadedModel(ModelFolder("lexicon-5m"))
        #expect(try loaded.configuration.fields.value("tie_word_embeddings", default: false), "the built-in model ties its head")
        var generator = RandomGenerator(seed: 4)
        let adapter = try Adapter(on: loaded.model, LoRAConfiguration(rank: 4, targets: .named(["embed_tokens", "q_proj"])), using: &generator)
        for (_, layer) in adapter.layers { layer.down.value = .normal(layer.down.shape, standardDeviation: 0.05, using: &generator) }
        let before = loaded.model.logits(ids)
        let report = try loaded.merge([adapter], to: "\(scratch.path)/m")
        #expect(report.layers.count == adapter.layers.count && report.quantization == nil)
        // Rounded to bfloat16, as the model's weights are: 2^-9 of each at most.
        #expect(report.meanError > 0 && report.meanError < 3e-3 && report.logitsError < 3e-2)
        let again = try LoadedModel(ModelFolder(path: "\(scratch.path)/m"))
        #expect(try again.configuration.fields.value("tie_word_embeddings", default: true) == false)
        #expect(try distance(again.model.logits(ids), before) < 2e-2 && again.report.warnings == [])
    }

    @Test("Quantizing the merged model costs what 4 bits cost, and the report says so")
    func quantized() throws {
        clexicon_link()
        let scratch = try TemporaryFolder()
        let loaded = try LoadedModel(ModelFolder("lexicon-5m"), options: LoadOptions(quantization: .fourBit(.nf4)))
        var generator = RandomGenerator(seed: 4)
        let adapter = try Adapter(on: loaded.model, LoRAConfiguration(rank: 4, targets: .named(["q_proj"])), using: &generator)
        for (_, layer) in adapter.layers { layer.up.value = .normal(layer.up.shape, standardDeviation: 0.02, using: &generator) }
        let others = try loaded.model.namedModules().compactMap {
            try $0.path.hasSuffix("v_proj") ? ($0.module as? Linear4bit)?.weight.packed.bytes() : nil
        }
        let report = try loaded.merge(
            [adapter], quantizingTo: ModelQuantization(.fourBit(.nf4)), probe: [3, 1, 4, 1, 5], to: "\(scratch.path)/m")
        #expect(report.tokens == 5 && report.quantization?.quantized.count == adapter.layers.count)
        #expect(report.meanError > 0.02 && report.meanError < 0.2 && report.worstLayer?.path.hasSuffix("q_proj") == true)
        // Layers without an adapter that have the form already keep their codes.
        let again = try LoadedModel(ModelFolder(path: "\(scratch.path)/m")).model
        let kept = try again.namedModules().compactMap { try $0.path.hasSuffix("v_proj") ? ($0.module as? Linear4bit)?.weight.packed.bytes() : nil }
        #expect(kept == others && !kept.isEmpty)
    }

    /// A model of bfloat16 weights in a folder, with many layers of one size.
    private func folder(_ scratch: TemporaryFolder) throws -> ModelFolder {
        let text = """
            {"model_type": "llama", "vocab_size": 400, "hidden_size": 128, "intermediate_size": 512, "num_hidden_layers": 12, "num_attention_heads": 4,
            "max_position_embeddings": 64, "tie_word_embeddings": false, "torch_dtype": "bfloat16"}
            """
        guard case .object(let object) = try JSONValue(parsing: Array(text.utf8)) else { throw TrainingError.nothingToTrain }
        try JSONValue.object(object).write(to: "\(scratch.path)/config.json")
        let folder = try ModelFolder(path: scratch.path)
        let model = try CausalLanguageModel.random(ModelConfiguration(folder)).model
        try model.save(to: "\(scratch.path)/model", like: folder)
        return try ModelFolder(path: "\(scratch.path)/model")
    }

    @Test(
        "Merging holds one layer more than the model, and the quantized result if there is to be one; the model stays as it was",
        arguments: [nil, ModelQuantization(.fourBit(.nf4))] as [ModelQuantization?])
    func memory(quantization: ModelQuantization?) throws {
        let scratch = try TemporaryFolder()
        let meter = Meter()
        let loaded = try LoadedModel(folder(scratch), options: LoadOptions(device: meter.device))
        var generator = RandomGenerator(seed: 4)
        let adapter = try Adapter(on: loaded.model, LoRAConfiguration(rank: 4), using: &generator)
        for (_, layer) in adapter.layers {
            layer.up.value = .normal(layer.up.shape, standardDeviation: 0.02, using: &generator, device: meter.device)
        }
        let before = loaded.model.logits(TokenBatch([3, 1, 4], device: meter.device))
        let (live, whole) = (meter.device.memory.live.total, loaded.model.byteCount)
        meter.device.memory.forgetPeak()
        var written = 0
        let report = try loaded.merge([adapter], quantizingTo: quantization, probe: [3, 1, 4, 1, 5], to: "\(scratch.path)/m") { _ in
            written = meter.device.memory.peak.total - live
        }
        // A layer is there in float32 a few times while it is merged and compared; what is read back is held too, as the test's device maps no files.
        let (layer, result) = (128 * 512 * 4, quantization == nil ? whole : whole / 3)
        #expect(written > 0 && written < 6 * layer + (quantization == nil ? 0 : result), "\(written) bytes more while it was written")
        #expect(meter.device.memory.peak.total - live < 6 * layer + result * (quantization == nil ? 1 : 2))
        #expect(report.layers.count == 84 && report.logitsError < (quantization == nil ? 2e-2 : 0.5))
        #expect(try loaded.model.logits(TokenBatch([3, 1, 4], device: meter.device)).bytes() == before.bytes())
    }
}
