/// What happens in a run, as those who watch it are told.
public enum TrainingEvent: Sendable, Equatable {
    /// A step, as soon as its loss is there: where a device works on while the host goes ahead, once the step after it has been submitted.
    case step(TrainingStep)
    /// A measurement of the loss on other data.
    case evaluation(TrainingEvaluation)
    /// A checkpoint that is complete.
    case checkpoint(step: Int, path: String)
}

/// One step of a run.
public struct TrainingStep: Sendable, Equatable {
    /// From 1 on.
    public var step: Int
    public var steps: Int
    /// Passes over the data, this step included.
    public var epoch: Double
    /// The mean over the step's learned tokens, before its update.
    public var loss: Double
    public var learningRate: Double
    /// Of all gradients together, before they are clipped; nil where they are not clipped by norm.
    public var gradientNorm: Double?
    /// All tokens that have been through the model.
    public var tokens: Int
}

/// A measurement of the loss after a step.
public struct TrainingEvaluation: Sendable, Equatable {
    public var step: Int
    /// The mean over all learned tokens of the data.
    public var nll: Double
    /// Whether no evaluation before was better.
    public var isBest: Bool
}

/// What came of a run.
public struct TrainingSummary: Sendable, Equatable {
    public enum End: Sendable, Equatable {
        /// All steps were taken.
        case finished
        /// Evaluations did not get better any more.
        case withoutProgress
        /// Somebody who watches it, or the system, wanted it to end.
        case stopped
    }

    public var end: End
    public var progress: TrainingProgress
    /// The last evaluation; of the best weights where those are kept.
    public var evaluation: TrainingEvaluation?
    /// From the first step of this process to the last, evaluations and checkpoints included.
    public var seconds: Double
    /// Tokens that went through the model in that time.
    public var tokens: Int
    /// Of these the ones of the first step.
    public var firstSeconds: Double
    public var firstTokens: Int

    /// The mean loss of all steps.
    public var loss: Double { progress.lossSum / Double(max(1, progress.step)) }

    /// Of the steps behind the first one, which compiles kernels and takes memory that the others have already; of that one where it is alone.
    public var tokensPerSecond: Double {
        let isLonger = tokens > firstTokens
        let measured = isLonger ? seconds - firstSeconds : seconds
        return measured > 0 ? Double(isLonger ? tokens - firstTokens : tokens) / measured : 0
    }
}

/// How far a run is: with the weights and the optimizer's state all that it needs to go on.
public struct TrainingProgress: Sendable, Equatable {
    /// Steps taken.
    public var step = 0
    /// Where the next step finds its examples.
    public var position = DataPosition()
    /// Batches that have been through the model: dropout draws by their number.
    public var batches = 0
    /// Tokens that have been through the model.
    public var tokens = 0
    /// The sum of the losses of all steps.
    public var lossSum = 0.0
    /// The best evaluation.
    public var best: TrainingEvaluation?
    /// The last evaluation.
    public var last: TrainingEvaluation?
    /// Evaluations since the best one.
    public var evaluationsSinceBest = 0
    /// What the losses so far say of the next.
    var guardian = LossGuard()
}
