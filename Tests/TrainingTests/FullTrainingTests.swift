import BitsCore
import BitsModels
import BitsNN
import BitsOptim
import BitsQuant
import Testing
import _BitsTestSupport

@testable import BitsTune

@Suite("Training a model itself")
struct FullTrainingTests {
    /// A Llama of two layers in `dtype`.
    private func model(_ dtype: DType = .bfloat16) -> CausalLanguageModel {
        let model = Llama.languageModel(
            LlamaConfiguration(vocabularySize: 50, width: 32, innerWidth: 64, layers: 2, heads: 4, keyValueHeads: 2), tiesEmbeddings: true)
        var generator = RandomGenerator(seed: 7)
        for (_, parameter) in model.namedParameters() {
            parameter.value =
                parameter.shape.count == 1
                ? .ones(parameter.shape, dtype: dtype) : .normal(parameter.shape, standardDeviation: 0.2, using: &generator, dtype: dtype)
        }
        return model
    }

    private func trainer(_ model: CausalLanguageModel, _ weights: TrainedWeights, _ name: String = "adamw_8bit") throws -> Trainer {
        let optimizer = try OptimizerName(name)
        let options = TrainingOptions(
            duration: .steps(12), batches: BatchPlan(.examples(4)), rule: try optimizer.rule(learningRate: name.hasPrefix("sgd") ? 0.5 : 5e-3),
            moments: optimizer.storage, warmupSteps: 0)
        return try Trainer(model, training: weights, on: TrainingData(RunFixture.examples(8)), options: options)
    }

    @Test("16-bit weights are trained in float32 and rounded once, at the end")
    func masters() throws {
        let model = model()
        let weights = try TrainedWeights(of: model)
        #expect(weights.count == model.trainableParameters().reduce(0) { $0 + $1.count })
        let losses = try trainer(model, weights).losses()
        #expect(losses.last! < 0.8 * losses[0], "\(losses)")
        #expect(weights.parameters.allSatisfy { $0.parameter.dtype == .float32 })
        let trained = try weights.parameters.map { try $0.parameter.value.cast(to: .bfloat16).floats() }
        weights.restoreTypes()
        #expect(weights.parameters.allSatisfy { $0.parameter.dtype == .bfloat16 })
        #expect(try weights.parameters.map { try $0.parameter.value.floats() } == trained)
    }

    @Test("Where the policy asks for 16-bit masters, weights stay as they are")
    func narrowMasters() throws {
        let model = model()
        model.policy.masterWeights = .bfloat16
        let losses = try trainer(model, TrainedWeights(of: model)).losses()
        #expect(losses.last! < 0.9 * losses[0], "\(losses)")
        #expect(model.trainableParameters().allSatisfy { $0.dtype == .bfloat16 })
    }

    @Test("Only what is named changes")
    func subset() throws {
        let model = model()
        let before = try model.namedParameters().map { try $0.parameter.value.floats() }
        let weights = try TrainedWeights(of: model) { $0.contains("layers.1.") }
        try trainer(model, weights).run()
        weights.restoreTypes()
        for ((path, parameter), old) in zip(model.namedParameters(), before) {
            #expect(try (parameter.value.floats() != old) == path.contains("layers.1."), "\(path)")
        }
        let error = #expect(throws: TrainingError.self) { try TrainedWeights(of: model) { _ in false } }
        #expect(error == .nothingToTrain)
    }

    @Test("Every optimizer of the Trainer's trains", arguments: OptimizerName.all)
    func optimizers(name: String) throws {
        let model = model(.float32)
        let losses = try trainer(model, TrainedWeights(of: model), name).losses()
        #expect(losses.last! < losses[0], "\(losses)")
    }

    @Test("Tables keep 32-bit moments beside 8-bit ones, and vectors do not decay")
    func exceptions() throws {
        let model = model(.float32)
        let weights = try TrainedWeights(of: model)
        let options = TrainingOptions(
            duration: .steps(1), rule: AdamW(learningRate: 1e-3, weightDecay: 0.5), moments: .blockwise8bit(minimumCount: 0), warmupSteps: 0)
        let trainer = try Trainer(model, training: weights, on: TrainingData(RunFixture.examples(8)), options: options)
        try trainer.run()
        for (path, parameter) in weights.parameters {
            let moment = try #require(try trainer.optimizer.momentValues(of: parameter))[0]
            // In 8 bits a block of 256 has at most 256 values, and most of them repeat.
            let isTable = path.contains("embed_tokens")
            let distinct = Set(try moment.floats().prefix(256)).count
            if parameter.count >= 256 { #expect((distinct > 200) == isTable, "\(path): \(distinct)") }
            // A step of AdamW is of the size of the learning rate; decay takes 0.0005 of a norm's weight, which is 1.
            if parameter.shape.count == 1 {
                #expect(try parameter.value.floats().allSatisfy { abs(abs($0 - 1) - 1e-3) < 1e-5 || $0 == 1 }, "\(path)")
            }
        }
    }

    @Test("Layers in int8 that keep their 16-bit weights are trained, with masters in float32")
    func int8() throws {
        let model = model(.float16)
        try model.quantize(to: .int8(keepsFloat16Weights: true))
        let weights = try TrainedWeights(of: model)
        let losses = try trainer(model, weights).losses()
        #expect(losses.last! < 0.8 * losses[0], "\(losses)")
        #expect(weights.parameters.contains { $0.path.hasSuffix("q_proj.weight") })
        weights.restoreTypes()
        #expect(weights.parameters.allSatisfy { $0.parameter.dtype == .float16 })
    }

    @Test("What is quantized without its weights is left as it is")
    func quantized() throws {
        let model = model(.float32)
        try model.quantize(to: .fourBit(.nf4))
        let weights = try TrainedWeights(of: model)
        #expect(!weights.parameters.contains { $0.path.hasSuffix("proj.weight") } && !weights.parameters.isEmpty)
    }
}
