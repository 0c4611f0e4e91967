import BitsCore
import BitsIO
import BitsModels
import BitsNN
import BitsOptim
import BitsQuant
import BitsTune
import CLexicon
import Testing
import _BitsTestSupport

/// What a counting device says beforehand, held against what a device that computes has held.
@Suite("Memory is predicted")
struct MemoryEstimateTests {
    /// A model and what is done to it.
    struct Work: CustomTestStringConvertible, Sendable {
        let name: String
        /// config.json; nil for the built-in model.
        var configuration: String?
        var quantization: Quantization?
        var activations = DType.float32
        /// nil trains the model itself.
        var adapter: LoRAConfiguration? = LoRAConfiguration(rank: 4, alpha: 8)
        var options = MemoryEstimateTests.options()
        var length = 24

        var testDescription: String { name }

        /// The model on `device`, with what is trained of it.
        func prepare(on device: Device) throws -> (model: CausalLanguageModel, weights: () throws -> TrainedWeights) {
            clexicon_link()
            var wanted = LoadOptions(quantization: quantization, device: device)
            wanted.activations = activations
            let model: CausalLanguageModel
            if let configuration {
                guard case .object(let object) = try JSONValue(parsing: Array(configuration.utf8)) else { throw TrainingError.nothingToTrain }
                model = try CausalLanguageModel.random(ModelConfiguration(ConfigurationFields(object, path: name)), options: wanted).model
            } else {
                model = try LoadedModel(ModelFolder("lexicon-5m"), options: wanted).model
            }
            return (
                model,
                {
                    guard let adapter else { return try TrainedWeights(of: model) }
                    var generator = RandomGenerator(seed: 1)
                    return TrainedWeights(try Adapter(on: model, adapter, using: &generator), in: model)
                }
            )
        }

        func training(on device: Device) throws -> MemoryEstimate {
            let (model, weights) = try prepare(on: device)
            return try model.trainingMemory(try weights(), options: options, length: length)
        }

        func generation(on device: Device) throws -> MemoryEstimate {
            try prepare(on: device).model.generationMemory(sequences: 3, prompt: 20, newTokens: 12)
        }
    }

    static func options(
        _ moments: MomentStorage = .blockwise8bit(), recomputes: Bool = false, accumulation: Int = 1, batches: BatchPlan.Size = .examples(2)
    ) -> TrainingOptions {
        var options = TrainingOptions(batches: BatchPlan(batches), moments: moments)
        (options.recomputesBlocks, options.accumulation) = (recomputes, accumulation)
        return options
    }

    private static let sizes = """
        "vocab_size": 600, "hidden_size": 64, "intermediate_size": 160, "num_hidden_layers": 3, "num_attention_heads": 4, "num_key_value_heads": 2,
        "max_position_embeddings": 64
        """
    private static let llama = "{\"model_type\": \"llama\", \(sizes)}"
    private static let gemma = "{\"model_type\": \"gemma3_text\", \"head_dim\": 32, \"sliding_window\": 16, \(sizes)}"
    private static let mixtral = """
        {"model_type": "mixtral", "num_local_experts": 4, "num_experts_per_tok": 2, \(sizes)}
        """
    private static let gpt2 = """
        {"model_type": "gpt2", "vocab_size": 600, "n_embd": 64, "n_layer": 3, "n_head": 4, "n_positions": 64}
        """

    static let works = [
        Work(name: "built-in, nf4, adapter, 8-bit", quantization: .fourBit(.nf4)),
        Work(
            name: "built-in, nf4, adapter, recomputed, accumulated", quantization: .fourBit(.nf4), options: options(recomputes: true, accumulation: 2)
        ),
        Work(name: "built-in, all weights, 8-bit", adapter: nil),
        Work(
            name: "built-in, all weights, paged", adapter: nil,
            options: options(MomentStorage.float32.paged(Paging(minimumCount: 1000, residentByteCount: 8_000_000)))),
        Work(name: "llama, int8, adapter, 32-bit", configuration: llama, quantization: .int8(), options: options(.float32)),
        Work(
            name: "llama, int8 with its weights, all weights", configuration: llama, quantization: .int8(keepsFloat16Weights: true), adapter: nil),
        Work(
            name: "llama, bfloat16, DoRA with dropout, packed", configuration: llama, activations: .bfloat16,
            adapter: {
                var adapter = LoRAConfiguration(rank: 4, alpha: 8, dropout: 0.1)
                adapter.isWeightDecomposed = true
                return adapter
            }(), options: options(batches: .tokens(72))),
        Work(name: "gemma, nf4, adapter, recomputed", configuration: gemma, quantization: .fourBit(.nf4), options: options(recomputes: true)),
        Work(
            name: "llama, nf4, adapter, padded, evaluated in larger batches", configuration: llama, quantization: .fourBit(.nf4),
            options: {
                var options = MemoryEstimateTests.options()
                (options.batches.pads, options.evaluationBatches, options.recomputesBlocks) = (true, .examples(64), true)
                return options
            }()),
        Work(name: "gpt2, all weights, 32-bit", configuration: gpt2, adapter: nil, options: options(.float32)),
        Work(name: "mixtral, nf4, adapter", configuration: mixtral, quantization: .fourBit(.nf4)),
    ]

    @Test("A run of training holds what was predicted", arguments: works)
    func training(work: Work) throws {
        let (predicted, held) = (try work.training(on: .counting()), try work.training(on: Meter().device))
        #expect(abs(predicted.peak.total - held.peak.total) <= held.peak.total * 3 / 100, "\(predicted.peak) for \(held.peak)")
        #expect(predicted.pagedByteCount == held.pagedByteCount)
        // Only what experts are asked for differs from what is drawn.
        if !work.name.contains("mixtral") { #expect(predicted == held) }
    }

    @Test("Generating holds what was predicted", arguments: works.filter { $0.adapter != nil && !$0.options.recomputesBlocks })
    func generation(work: Work) throws {
        let (predicted, held) = (try work.generation(on: .counting()), try work.generation(on: Meter().device))
        // What few tokens ask of experts is not shared out evenly, and the prompts are read together.
        let percent = work.name.contains("mixtral") ? 10 : 3
        #expect(abs(predicted.peak.total - held.peak.total) <= held.peak.total * percent / 100, "\(predicted.peak) for \(held.peak)")
        if !work.name.contains("mixtral") { #expect(predicted == held) }
    }

    @Test("Everything is counted as what it is")
    func categories() throws {
        let use = try Work(name: "", configuration: MemoryEstimateTests.llama, quantization: .fourBit(.nf4)).training(on: .counting()).peak
        let device = Device.counting()
        let (model, weights) = try Work(name: "", configuration: MemoryEstimateTests.llama, quantization: .fourBit(.nf4)).prepare(on: device)
        let trained = try weights().count
        // Codes and scales in the types of their formats, each block rounded up to 64 bytes; the 21 layers share a table of 16 codes, and
        // one of 256 for their scales.
        #expect(use[.weights] + use[.statistics] >= model.byteCount - 4 * trained - 20 * 4 * (16 + 256) && use[.weights] < model.byteCount)
        #expect(use[.adapters] >= 4 * trained && use[.adapters] < 4 * trained + 64 * 2 * 21)
        #expect(use[.gradients] <= use[.adapters] && use[.moments] > 2 * trained && use[.cache] == 0)
        #expect(use[.activations] > 0)
    }

    @Test("An evaluation counts where its batches are larger than the training's, and not where they are smaller")
    func evaluation() throws {
        func held(_ examples: Int?) throws -> Int {
            var options = MemoryEstimateTests.options()
            options.evaluationBatches = examples.map { .examples($0) }
            return try Work(name: "", configuration: MemoryEstimateTests.llama, options: options).training(on: .counting()).peak.total
        }
        let plain = try held(nil)
        #expect(try held(1) == plain && held(200) > plain + plain / 10)
    }

    @Test("Recomputing takes less for activations, and longer examples more", arguments: [false, true])
    func activations(recomputes: Bool) throws {
        func activations(_ length: Int, recomputes: Bool) throws -> Int {
            try Work(
                name: "", configuration: MemoryEstimateTests.llama, options: MemoryEstimateTests.options(recomputes: recomputes), length: length
            ).training(on: .counting()).peak[.activations]
        }
        #expect(try activations(48, recomputes: recomputes) > activations(24, recomputes: recomputes))
        #expect(try activations(48, recomputes: true) < activations(48, recomputes: false))
    }

    @Test("The largest size that fits is found in few trials", arguments: [10, 11, 999, 1000, 5000, 1_000_000])
    func largestFit(byteCount: Int) throws {
        var trials = 0
        var fit = LargestFit { size in
            trials += 1
            return 10 * size + (size > 50 ? 3 * size / 2 : 0)
        }
        let expected = (1...1000).last { 10 * $0 + ($0 > 50 ? 3 * $0 / 2 : 0) <= byteCount }
        #expect(try fit(within: byteCount, upTo: 1000) == expected)
        #expect(try fit(within: 9, upTo: 1000) == nil)
        #expect(trials < 14)
    }
}
