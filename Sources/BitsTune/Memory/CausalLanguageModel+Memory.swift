public import BitsCore
public import BitsModels
import BitsOptim

/// What work takes of memory is found by doing it: on a counting device nothing is computed, and an estimate comes of it that is right for every family,
/// adapter, optimizer and way to train; on any other device a measurement.
extension CausalLanguageModel {
    /// What a run of training holds at most: two steps over examples of `length` tokens, all of which are learned, and an evaluation where that has batches of its own.
    ///
    /// A run on a counting device leaves the model as it was.
    ///
    /// - Parameter options: those of the run; how long it is does not matter.
    /// - Throws: ``BitsTune/TrainingError``, ``BitsOptim/OptimizerError`` for settings out of range, and what the device reports.
    public func trainingMemory(_ weights: TrainedWeights, options: TrainingOptions, length: Int) throws -> MemoryEstimate {
        precondition(length > 1, "examples of \(length) tokens have nothing to learn")
        var options = options
        (options.duration, options.stopsWhenDiverging) = (.steps(2), false)
        let example = TokenizedExample(ids: spreadTokens(length), completionStart: 1)
        func data(_ size: BatchPlan.Size, batches: Int) throws -> TrainingData {
            let examples =
                switch size {
                case .examples(let count): count
                case .tokens(let count): max(1, count / length)
                }
            return try TrainingData([TokenizedExample](repeating: example, count: examples * batches))
        }
        let training = try data(options.batches.size, batches: options.accumulation)
        // Batches of the training's size take less without gradients.
        let evaluation = try options.evaluationBatches.map { try data($0, batches: 2) }
        let memory = computeDevice.memory
        memory.forgetPeak()
        let trainer = try Trainer(self, training: weights, on: training, evaluation: evaluation, options: options)
        try trainer.run()
        let paging = trainer.optimizer.paging
        return MemoryEstimate(peak: memory.peak, pagedByteCount: paging.map { $0.fileByteCount - $0.residentByteCount } ?? 0)
    }

    /// What continuing `sequences` prompts together holds at most.
    ///
    /// - Parameters:
    ///   - prompt: tokens of each prompt.
    ///   - newTokens: tokens that follow each; as many as the context has room for at most.
    ///   - cacheType: see ``BitsModels/GenerationOptions/cacheType``.
    /// - Throws: ``BitsModels/GenerationError`` for a prompt that fills the context, and what the device reports.
    public func generationMemory(sequences: Int, prompt: Int, newTokens: Int, cacheType: DType? = nil) throws -> MemoryEstimate {
        let memory = computeDevice.memory
        memory.forgetPeak()
        // Different ones: they are read together, and equal ones would ask for the same experts.
        let tokens = spreadTokens(sequences * prompt)
        let prompts = (0..<sequences).map { Array(tokens[$0 * prompt..<($0 + 1) * prompt]) }
        _ = try generate(prompts, options: GenerationOptions(maxNewTokens: newTokens, endTokens: [], cacheType: cacheType))
        return MemoryEstimate(peak: memory.peak)
    }

    /// So many tokens from all over the vocabulary: equal ones would all ask for the same experts.
    private func spreadTokens(_ count: Int) -> [Int32] { (0..<count).map { Int32($0 * 7919 % vocabularySize) } }
}
