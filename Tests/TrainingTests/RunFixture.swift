import BitsCore
import BitsModels
import BitsNN
import BitsOptim
import BitsSystem
import BitsTune
import _BitsTestSupport

/// A run on a tiny model that is the same whenever it is made, with an adapter that drops a part of its input.
struct RunFixture {
    let model: CausalLanguageModel
    let trainer: Trainer

    static var options: TrainingOptions {
        var options = TrainingOptions(
            duration: .steps(8), batches: BatchPlan(.examples(2)), moments: .blockwise8bit(minimumCount: 0), warmupSteps: 2, seed: 4)
        options.accumulation = 2
        return options
    }

    /// Examples of different lengths; `seed` says which.
    static func examples(_ count: Int, seed: UInt64 = 1) -> [TokenizedExample] {
        var generator = RandomGenerator(seed: seed)
        return (0..<count).map { index in
            let ids = (0..<4 + index % 5).map { _ in Int32.random(in: 0..<50, using: &generator) }
            return TokenizedExample(ids: ids, completionStart: 1 + index % 3)
        }
    }

    init(
        _ options: TrainingOptions = RunFixture.options, folder: String? = nil, examples: Int = 11, evaluates: Bool = false,
        adapter: LoRAConfiguration = RunFixture.adapter, change: (CausalLanguageModel) throws -> Void = { _ in }
    ) throws {
        try self.init(options, folder: folder, examples: Self.examples(examples), evaluates: evaluates, adapter: adapter, change: change)
    }

    static let adapter = LoRAConfiguration(rank: 2, alpha: 4, dropout: 0.2)

    /// - Parameter change: what makes another model of the one that is trained otherwise.
    init(
        _ options: TrainingOptions, folder: String?, examples: [TokenizedExample], evaluates: Bool = false,
        adapter: LoRAConfiguration = RunFixture.adapter, change: (CausalLanguageModel) throws -> Void = { _ in }
    ) throws {
        model = try TinyTraining(on: .cpu).model
        try change(model)
        var generator = RandomGenerator(seed: 7)
        let adapter = try Adapter(on: model, adapter, using: &generator)
        trainer = try Trainer(
            model, training: TrainedWeights(adapter, in: model), on: TrainingData(examples),
            evaluation: evaluates ? TrainingData(Self.examples(4, seed: 2)) : nil, options: options,
            folder: folder.map { path throws in try RunFolder(path: path) })
    }

    /// The trained weights as they are.
    func values() throws -> [[Float]] { try trainer.weights.parameters.map { try $0.parameter.value.floats() } }

    /// Every file below `path`, by its name.
    static func files(_ path: String) throws -> [String: [UInt8]] {
        var files: [String: [UInt8]] = [:]
        for name in try FileSystem.names(in: path) {
            let inner = "\(path)/\(name)"
            if FileSystem.kind(of: inner) == .folder {
                for (other, bytes) in try Self.files(inner) { files["\(name)/\(other)"] = bytes }
            } else {
                files[name] = try FileSystem.contents(of: inner)
            }
        }
        return files
    }
}
