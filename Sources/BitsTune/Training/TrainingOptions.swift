public import BitsOptim

/// The settings of a training run.
public struct TrainingOptions: Sendable {
    public enum Duration: Sendable, Equatable {
        /// Passes over the data, also parts of one.
        case epochs(Double)
        case steps(Int)
    }

    public var duration: Duration
    public var batches: BatchPlan
    /// Batches whose gradients are added up for a step; the loss is the mean over all their tokens together, as if they were one batch.
    public var accumulation = 1
    /// What a step computes. Its learning rate is the peak: linear from 0 over ``warmupSteps``, then as ``schedule`` says, up to the last step.
    public var rule: any UpdateRule
    public var moments: MomentStorage
    public var schedule = LearningRateSchedule.Shape.linear
    public var warmupSteps: Int
    /// nil changes no gradient; their norm is measured all the same, as the guard against runs that fail needs it.
    public var clipping: GradientClipping? = .norm(1)
    /// Whether the inside of the model's blocks is computed again on the way back instead of kept: a step takes about a third longer, and holds the
    /// blocks' inputs and one block. The run is bit for bit the same.
    public var recomputesBlocks = false
    /// Whether the inputs of blocks that are computed again wait in the host's memory, where the model is on a GPU: a step takes hardly longer, and holds
    /// two or three of them. The run is bit for bit the same.
    public var offloadsBlockInputs = false
    /// Of the order of the examples, and of dropout.
    public var seed: UInt64

    /// Batches of evaluations; nil for those of the training. What is measured does not depend on it.
    public var evaluationBatches: BatchPlan.Size?
    /// Steps between evaluations; nil for one at the end. Without data to evaluate on there is none.
    public var evaluateEvery: Int?
    /// Evaluations in a row without a better loss after which the run ends; nil for none.
    public var patience: Int?
    /// Steps between checkpoints; nil for one at the end. Without a folder there is none.
    public var saveEvery: Int?
    /// The newest checkpoints that are kept; nil for all. The best one is kept beside them where ``keepsBest``.
    public var keptCheckpoints: Int?
    /// Whether a checkpoint is made at every evaluation that is the best so far, and the run ends with the best weights instead of the last.
    public var keepsBest = false
    /// Whether the run ends with an error when its loss is no number any more, or has leapt.
    public var stopsWhenDiverging = true

    public init(
        duration: Duration = .epochs(1), batches: BatchPlan = BatchPlan(), rule: any UpdateRule = AdamW(learningRate: 1e-3, weightDecay: 0),
        moments: MomentStorage = .blockwise8bit(), warmupSteps: Int = 10, seed: UInt64 = 0
    ) {
        self.duration = duration
        self.batches = batches
        self.rule = rule
        self.moments = moments
        self.warmupSteps = warmupSteps
        self.seed = seed
    }

    func check() {
        switch duration {
        case .epochs(let epochs): precondition(epochs > 0 && epochs <= 1e6, "\(epochs) epochs")
        case .steps(let steps): precondition(steps > 0, "\(steps) steps")
        }
        precondition(accumulation > 0, "\(accumulation) batches a step")
        precondition(warmupSteps >= 0, "\(warmupSteps) steps of warm-up")
        for (name, number) in [
            ("evaluateEvery", evaluateEvery), ("patience", patience), ("saveEvery", saveEvery), ("keptCheckpoints", keptCheckpoints),
        ] { precondition(number ?? 1 > 0, "\(name) is \(number ?? 0)") }
    }

    /// The schedule of a run of so many steps.
    func schedule(steps: Int) -> LearningRateSchedule {
        var schedule = LearningRateSchedule.constant(warmupSteps: warmupSteps)
        (schedule.shape, schedule.totalSteps) = (self.schedule, steps)
        return schedule
    }

    /// The steps of a run over `data`.
    public func steps(over data: TrainingData) -> Int {
        switch duration {
        case .steps(let steps): return steps
        case .epochs(let epochs):
            let whole = Int(epochs)
            func count(_ epoch: Int) -> Int {
                BatchStream.stepCount(ofEpoch: epoch, data, batches, seed: seed, batches: accumulation)
            }
            let part = epochs - Double(whole)
            return (0..<whole).reduce(0) { $0 + count($1) } + (part > 0 ? Int((part * Double(count(whole))).rounded(.up)) : 0)
        }
    }
}
