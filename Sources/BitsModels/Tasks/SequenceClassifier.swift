public import BitsCore
public import BitsNN

// Shapes: C = labels, S = sequences.

/// A model that gives each sequence a label.
public final class SequenceClassifier: TaskModel, RegisteredTask {
    public static let task = ModelTask.sequenceClassification

    public override var impliedHeads: [any LinearLayer] { [] }

    /// The scores of every sequence, [S, C] in float32.
    public func scores(_ tokens: TokenBatch) -> Tensor { head.scores(summaries(tokens)) }

    /// The sum of the negative log-likelihood of `labels`, one a sequence, a float32 scalar. -100 counts nothing.
    public func loss(_ tokens: TokenBatch, labels: [Int32]) -> Tensor {
        precondition(labels.count == tokens.sequences.count, "\(labels.count) labels for \(tokens.sequences.count) sequences")
        return head.loss(summaries(tokens), targets: Tensor(labels, device: computeDevice))
    }
}
