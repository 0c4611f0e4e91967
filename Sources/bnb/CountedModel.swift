import BitsCore
import BitsIO
import BitsModels
import BitsTune

/// A model on a counting device, and what of it is trained.
struct CountedModel {
    let model: CausalLanguageModel
    private let weights: TrainedWeights?
    /// The most that was held until it was there.
    private let making: MemoryUse

    init(_ model: CausalLanguageModel, training weights: TrainedWeights? = nil) {
        (self.model, self.weights) = (model, weights)
        making = model.computeDevice.memory.peak
    }

    /// Numbers that are trained.
    var trainedCount: Int { weights?.count ?? 0 }

    /// With a prompt that leaves room for two tokens, where there is that much.
    func generating(_ sequences: Int, context: Int) throws -> MemoryEstimate {
        let prompt = max(1, context - 2)
        return whole(try model.generationMemory(sequences: sequences, prompt: prompt, newTokens: context - prompt))
    }

    /// - Parameter options: but for batches and what is kept of them.
    func training(
        _ options: TrainingOptions, batch: Int, length: Int, packs: Bool = false, recomputes: Bool, offloads: Bool = false
    ) throws -> MemoryEstimate {
        guard let weights else { preconditionFailure("a model of which nothing is trained") }
        var options = options
        options.batches.size = packs ? .tokens(batch * length) : .examples(batch)
        (options.recomputesBlocks, options.offloadsBlockInputs) = (recomputes, offloads)
        let estimate = try model.trainingMemory(weights, options: options, length: length)
        // A run that is interrupted ends in order, and has gone through less.
        if Console.interruption != nil { throw Failure(.unavailable, "the estimate was interrupted") }
        return whole(estimate)
    }

    /// With the making of the model, should that have taken more.
    private func whole(_ estimate: MemoryEstimate) -> MemoryEstimate {
        making.total > estimate.peak.total ? MemoryEstimate(peak: making, pagedByteCount: estimate.pagedByteCount) : estimate
    }
}
