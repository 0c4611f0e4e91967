import BitsCore
public import BitsModels
public import BitsOptim

/// The settings of a fine-tuning run.
public struct FineTuningOptions: Sendable {
    /// Examples a step, above 0.
    public var batchSize: Int
    /// Steps; nil for one pass over the examples.
    public var steps: Int?
    /// What a step computes. Its learning rate is the peak: linear from 0 over ``warmupSteps``, then linear to 0 at the end.
    public var rule: any UpdateRule
    public var warmupSteps: Int
    /// Gradients are scaled together to at most this norm.
    public var maxGradientNorm: Double
    public var moments: MomentStorage
    /// Whether the inside of the model's blocks is computed again on the way back instead of kept: a step takes about a third longer, and holds the
    /// blocks' inputs and one block. The run is bit for bit the same.
    public var recomputesBlocks: Bool
    /// Of the order of the examples, and of dropout.
    public var seed: UInt64

    public init(
        batchSize: Int = 16, steps: Int? = nil, rule: any UpdateRule = AdamW(learningRate: 1e-3, weightDecay: 0), warmupSteps: Int = 10,
        maxGradientNorm: Double = 1, moments: MomentStorage = .blockwise8bit(), recomputesBlocks: Bool = false, seed: UInt64 = 0
    ) {
        self.batchSize = batchSize
        self.steps = steps
        self.rule = rule
        self.warmupSteps = warmupSteps
        self.maxGradientNorm = maxGradientNorm
        self.moments = moments
        self.recomputesBlocks = recomputesBlocks
        self.seed = seed
    }
}

/// One step of a run, as it is reported.
public struct FineTuningStep: Sendable, Equatable {
    /// From 1 on.
    public var step: Int
    public var steps: Int
    /// The mean over the step's completion tokens, before its update.
    public var loss: Double
    public var learningRate: Double
    /// All tokens that have been through the model.
    public var tokens: Int
}

/// Trains `adapter` on `examples`, on the mean negative log-likelihood of each batch's completion tokens.
///
/// The same seed gives the same run on the same device and thread count.
///
/// A step's loss is read when the step after it has been submitted, so that the device never waits for the host.
///
/// - Parameter onStep: called for every step, the last ones included, once the step after it has been submitted; when it returns false, the run ends
///   with the step that has been.
/// - Returns: the mean loss of each step.
/// - Throws: ``FineTuningError`` for examples that cannot be learned from; ``BitsOptim/OptimizerError`` for settings out of range; what the device reports.
@discardableResult
public func fineTune(
    _ model: CausalLanguageModel, adapter: Adapter, on examples: [CompletionTokens], options: FineTuningOptions = FineTuningOptions(),
    onStep: (FineTuningStep) -> Bool = { _ in true }
) throws -> [Double] {
    precondition(options.batchSize > 0, "a batch of \(options.batchSize) examples")
    let given = examples.count
    let examples = examples.filter { $0.targetCount > 0 }
    let vocabulary = model.vocabularySize
    guard !examples.isEmpty else { throw FineTuningError.noCompletions(examples: given) }
    if let token = examples.lazy.flatMap(\.ids).first(where: { $0 < 0 || Int($0) >= vocabulary }) {
        throw FineTuningError.unknownToken(token, vocabulary: vocabulary)
    }
    let stepsPerEpoch = (examples.count + options.batchSize - 1) / options.batchSize
    let steps = options.steps ?? stepsPerEpoch
    let optimizer = try Optimizer(
        adapter.parameters, rule: options.rule, moments: options.moments,
        schedule: .linear(warmupSteps: options.warmupSteps, totalSteps: steps), clipping: .norm(options.maxGradientNorm))
    var generator = RandomGenerator(seed: options.seed)
    let recomputed = model.recomputesBlocks
    model.recomputesBlocks = options.recomputesBlocks
    defer {
        adapter.removeDropout()
        model.recomputesBlocks = recomputed
    }
    var order: [Int] = []
    var losses: [Double] = []
    var seen = 0
    var submitted: SubmittedStep?
    /// Whether the run goes on.
    func report(_ submitted: SubmittedStep?) throws(DeviceError) -> Bool {
        guard let submitted else { return true }
        let step = try submitted.finished()
        losses.append(step.loss)
        return onStep(step)
    }
    for step in 1...max(steps, 1) where step <= steps {
        if order.isEmpty { order = Array(examples.indices).shuffled(using: &generator) }
        let batch = order.prefix(options.batchSize).map { examples[$0] }
        order.removeFirst(batch.count)
        let learningRate = optimizer.currentLearningRate()
        adapter.setDropout(seed: options.seed, pass: step)
        let loss = try optimizer.step {
            let (sum, count) = CompletionLoss.sum(batch, model: model)
            let loss = sum * (1 / Float(count))
            loss.backward()
            return loss
        }
        optimizer.clearGradients()
        seen += batch.reduce(0) { $0 + $1.ids.count }
        let previous = submitted
        submitted = SubmittedStep(loss: loss.readLater(), step: step, steps: steps, learningRate: learningRate, tokens: seen)
        if try !report(previous) { break }
    }
    _ = try report(submitted)
    return losses
}

/// A step whose loss is on its way.
private struct SubmittedStep {
    let loss: LateReading
    let step: Int
    let steps: Int
    let learningRate: Double
    let tokens: Int

    /// Waits for the loss.
    func finished() throws(DeviceError) -> FineTuningStep {
        FineTuningStep(step: step, steps: steps, loss: Double(try loss.item()), learningRate: learningRate, tokens: tokens)
    }
}
