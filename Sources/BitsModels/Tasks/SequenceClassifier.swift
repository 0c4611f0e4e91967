public import BitsCore
import BitsNN

// Shapes: B = batch, T = tokens, D = model width, C = labels, S = sequences.

/// A model that gives each sequence a label.
public final class SequenceClassifier: TaskModel, RegisteredTask {
    public static let task = ModelTask.sequenceClassification
    private let token: SummaryToken

    public override init(_ parts: TaskParts) {
        token = parts.summary
        super.init(parts)
    }

    /// The scores of every sequence, [S, C] in float32.
    public func scores(_ tokens: TokenBatch) -> Tensor { head.scores(summaries(tokens)) }

    /// The sum of the negative log-likelihood of `labels`, one a sequence, a float32 scalar. -100 counts nothing.
    public func loss(_ tokens: TokenBatch, labels: [Int32]) -> Tensor {
        precondition(labels.count == tokens.sequences.count, "\(labels.count) labels for \(tokens.sequences.count) sequences")
        return head.loss(summaries(tokens), targets: Tensor(labels, device: computeDevice))
    }

    /// [S, D]
    private func summaries(_ tokens: TokenBatch) -> Tensor {
        precondition(!tokens.sequences.contains { $0.isEmpty }, "an empty sequence among \(tokens.sequences.count)")
        let places = tokens.sequences.map { Int32(token == .first ? $0.lowerBound : $0.upperBound - 1) }
        let hidden = hiddenStates(tokens).reshaped(tokens.batch * tokens.length, -1)  // [B T, D]
        return backbone.summary(hidden.rows(Tensor(places, device: computeDevice)))
    }
}
