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

/// QLoRA on the embedded model, held against what transformers, peft and bitsandbytes reach in the same setting.
@Suite struct LexiconTrainingTests {
    /// The model in NF4 with a fresh adapter, and the two sets of questions.
    private struct Setting {
        let model: CausalLanguageModel
        let adapter: Adapter
        let training: TrainingData
        let validation: TrainingData
        /// The first questions of the validation set.
        let sample: TrainingData

        init(computeDType: DType, activations: DType = .float32, seed: UInt64 = 0, dropout: Float = 0, device: Device = .tested) throws {
            clexicon_link()
            let folder = try ModelFolder("lexicon-5m")
            var options = LoadOptions(quantization: .fourBit(.nf4), computeDType: computeDType, device: device)
            options.activations = activations
            let loaded = try LoadedModel(folder, options: options)
            let tokenizer = try Tokenizer(folder)
            let encoder = ExampleEncoder(for: loaded, tokenizer: tokenizer)
            func data(_ name: String) throws -> TrainingData {
                try TrainingData([(ExampleFile(#require(MappedFile(embedded: name))), 1)], encoder)
            }
            let questions = try ExampleFile(#require(MappedFile(embedded: "text/sft_valid.jsonl")))
            sample = try TrainingData((0..<32).map { try questions.example($0, encoder) })
            var generator = RandomGenerator(seed: seed)
            model = loaded.model
            adapter = try Adapter(on: loaded.model, LoRAConfiguration(rank: 16, alpha: 32, dropout: dropout), using: &generator)
            training = try data("text/sft_train.jsonl")
            validation = try data("text/sft_valid.jsonl")
        }

        /// Trains the adapter, and gives the losses of its steps.
        @discardableResult
        func train(_ options: TrainingOptions = TrainingOptions(), onStep: @escaping (TrainingStep) -> Void = { _ in }) throws -> [Double] {
            try Trainer(model, training: TrainedWeights(adapter, in: model), on: training, options: options).losses(onStep)
        }
    }

    @Test("An epoch of QLoRA reaches the reference's loss with 8-bit and 32-bit AdamW, and the same in bfloat16 throughout")
    func epoch() throws {
        func loss(_ dtype: DType, _ moments: MomentStorage) throws -> Double {
            let setting = try Setting(computeDType: dtype, activations: dtype)
            #expect(setting.adapter.parameterCount == 448_512)
            #expect(setting.validation.count == 200)
            let before = try setting.model.meanLoss(of: setting.validation)
            #expect(abs(before - 4.211) < 0.01, "before: \(before)")
            #expect(try setting.train(TrainingOptions(moments: moments)).count == 125)
            let after = try setting.model.meanLoss(of: setting.validation)
            // What the reference's runs differ by with the order of examples.
            #expect(abs(after - 2.605) < 0.02, "\(dtype), \(moments): \(after)")
            return after
        }
        let exact = try loss(.float32, .blockwise8bit())
        _ = try loss(.float32, .float32)
        #expect(try abs(loss(.bfloat16, .blockwise8bit()) - exact) < 0.01)
    }

    @Test("With activations, cache and gradients in bfloat16 too, float32 factors reach nearly the same", arguments: [DType?.none, .bfloat16])
    func narrowEpoch(gradients: DType?) throws {
        let setting = try Setting(computeDType: .bfloat16)
        setting.model.policy = .bfloat16
        setting.model.policy.gradients = gradients
        try setting.train()
        #expect(setting.adapter.parameters.allSatisfy { $0.dtype == .float32 })
        let after = try setting.model.meanLoss(of: setting.validation)
        #expect(abs(after - 2.605) < 0.03, "after: \(after)")
    }

    @Test("The policy says what factors and gradients are kept in")
    func masters() throws {
        clexicon_link()
        let model = try LoadedModel(ModelFolder("lexicon-5m"), options: LoadOptions(device: .tested)).model
        model.policy = ComputePolicy(activations: .bfloat16, products: .bfloat16, masterWeights: .bfloat16, gradients: .float16)
        var generator = RandomGenerator(seed: 1)
        let adapter = try Adapter(on: model, LoRAConfiguration(rank: 2, targets: .named(["q_proj"])), using: &generator)
        model.loss([[3, 1, 4, 1, 5, 9, 2, 6]]).sum.backward()
        #expect(adapter.parameters.count == 12 && adapter.parameters.allSatisfy { $0.dtype == .bfloat16 && $0.gradient?.dtype == .float16 })
    }

    /// LAMB and LARS are left out: they never move a parameter that is zero, as the adapter's second factor is at the start. BitsOptimTests
    /// have them train a model of their own.
    private static let rules: [any UpdateRule] = [
        Adam(learningRate: 1e-3), AdamW(learningRate: 1e-3), AdEMAMix(learningRate: 1e-3), Lion(learningRate: 2e-4), RMSprop(learningRate: 1e-3),
        Adagrad(learningRate: 5e-3), SGD(learningRate: 0.5, momentum: 0.9),
    ]

    @Test("8-bit moments train as 32-bit ones do", arguments: rules.indices)
    func moments(rule index: Int) throws {
        let rule = Self.rules[index]
        func loss(_ moments: MomentStorage) throws -> Double {
            let setting = try Setting(computeDType: .bfloat16)
            let options = TrainingOptions(
                duration: .steps(20), batches: BatchPlan(.examples(8)), rule: rule, moments: moments, warmupSteps: 2)
            let losses = try setting.train(options)
            #expect(losses.suffix(5).reduce(0, +) / 5 < 0.95 * losses[0], "\(type(of: rule)) trains: \(losses)")
            return try setting.model.meanLoss(of: setting.sample)
        }
        let (small, full) = (try loss(.blockwise8bit(minimumCount: 0)), try loss(.float32))
        #expect(abs(small - full) < 0.01 * full, "\(type(of: rule)): \(small) with 8-bit moments, \(full) with 32-bit ones")
        #expect(small != full)
    }

    @Test(
        "Another device than the processor has its losses and gradients", .enabled(if: Device.tested != .cpu), arguments: [DType.float32, .bfloat16])
    func otherDevice(dtype: DType) throws {
        let ids = (0..<200).map { Int32(($0 * 37 + 11) % 500) }
        func found(_ dtype: DType, on device: Device) throws -> (nll: Double, gradients: [Float]) {
            let setting = try Setting(computeDType: dtype, activations: dtype, device: device)
            let nll = try setting.model.meanLoss(of: setting.validation)
            // With factors that are zero, the others' gradients would be as well.
            var generator = RandomGenerator(seed: 3)
            for (_, layer) in setting.adapter.layers {
                layer.up.value = .normal(layer.up.shape, standardDeviation: 0.02, using: &generator, device: device)
            }
            setting.model.loss([ids]).sum.backward()
            let gradients = try setting.adapter.parameters.flatMap { try #require($0.gradient).floats() }
            return (nll, gradients)
        }
        let (other, processor, exact) = (try found(dtype, on: .tested), try found(dtype, on: .cpu), try found(.float32, on: .cpu))
        #expect(abs(other.nll - processor.nll) < (dtype == .float32 ? 5e-4 : 3e-3), "\(other.nll), \(processor.nll)")
        #expect(other.gradients.count == exact.gradients.count)
        func length(_ values: [Float]) -> Double { values.reduce(0) { $0 + Double($1) * Double($1) }.squareRoot() }
        func distance(_ gradients: [Float]) -> Double { length(zip(gradients, exact.gradients).map(-)) / length(exact.gradients) }
        // Of this model, decoded weights that are rounded to bfloat16, as a GPU multiplies with, make 1.06e-2, and activations that are 0.9e-2.
        let limit = dtype == .float32 ? 1e-4 : 1.5e-2
        #expect(distance(other.gradients) < limit, "\(distance(other.gradients)), the processor's \(distance(processor.gradients))")
    }

    @Test("The same seed gives the same run, evaluated before or not; another seed another")
    func reproducible() throws {
        func losses(seed: UInt64, evaluatesFirst: Bool = false) throws -> [Double] {
            let setting = try Setting(computeDType: .bfloat16, seed: seed)
            if evaluatesFirst { _ = try setting.model.meanLoss(of: setting.sample) }
            return try setting.train(TrainingOptions(duration: .steps(3), seed: seed))
        }
        let first = try losses(seed: 1)
        #expect(try losses(seed: 1, evaluatesFirst: true) == first)
        #expect(try losses(seed: 2) != first)
    }

    @Test("Blocks that are computed again change nothing, dropout included")
    func recomputation() throws {
        func losses(recomputing: Bool, offloading: Bool = false) throws -> [Double] {
            let setting = try Setting(computeDType: .bfloat16, dropout: 0.1)
            var options = TrainingOptions(duration: .steps(4), batches: BatchPlan(.examples(8)))
            (options.recomputesBlocks, options.offloadsBlockInputs) = (recomputing, offloading)
            defer { #expect(!setting.model.recomputesBlocks) }
            return try setting.train(options) { _ in #expect(setting.model.recomputesBlocks == recomputing) }
        }
        let kept = try losses(recomputing: false)
        #expect(kept.count == 4)
        #expect(try losses(recomputing: true) == kept)
        #expect(try losses(recomputing: true, offloading: true) == kept)
    }

    @Test("An adapter that is saved and loaded computes the same")
    func savedAdapter() throws {
        let setting = try Setting(computeDType: .float32)
        try setting.train(TrainingOptions(duration: .steps(4), warmupSteps: 0))
        let trained = try setting.model.meanLoss(of: setting.sample)
        let folder = try TemporaryFolder()
        let path = "\(folder.path)/adapter"
        try setting.adapter.save(to: path)
        #expect(throws: ModelFileError.self, "a folder that exists") { try setting.adapter.save(to: path) }

        let options = LoadOptions(quantization: .fourBit(.nf4), computeDType: .float32, device: .tested)
        let fresh = try LoadedModel(ModelFolder("lexicon-5m"), options: options).model
        let base = try fresh.meanLoss(of: setting.sample)
        let loaded = try Adapter(ModelFolder(path: path), on: fresh)
        #expect(loaded.layers.map(\.path) == setting.adapter.layers.map(\.path))
        #expect(try fresh.meanLoss(of: setting.sample) == trained)
        #expect(base != trained)
    }
}

extension Trainer {
    /// Runs, and gives the losses of the steps.
    func losses(_ onStep: @escaping (TrainingStep) -> Void = { _ in }) throws -> [Double] {
        var losses: [Double] = []
        observers.append {
            guard case .step(let step) = $0 else { return }
            losses.append(step.loss)
            onStep(step)
        }
        try run()
        return losses
    }
}
