public import BitsCore
public import BitsNN

// Shapes: B = batch, T = tokens, D = model width, C = classes, R = tokens that count for a loss.

/// A task whose head scores every token: what comes next, what stood there, what it is.
public protocol TokenTask: TaskModel {}

extension TokenTask {
    /// The scores of every token, [B, T, C] in float32.
    public func logits(_ tokens: TokenBatch, cache: KeyValueCache? = nil) -> Tensor { head.scores(hiddenStates(tokens, cache: cache)) }

    /// The sum of the negative log-likelihood of `targets`, a float32 scalar. The head sees the tokens that count alone.
    ///
    /// - Parameter targets: the class of each token, row by row; -100 for one that does not count.
    public func loss(_ tokens: TokenBatch, targets: [Int32]) -> Tensor {
        precondition(targets.count == tokens.ids.count, "\(targets.count) targets for tokens \(tokens.ids.shape)")
        let rows = targets.indices.filter { targets[$0] != -100 }.map { Int32($0) }
        let hidden = hiddenStates(tokens).reshaped(targets.count, -1)  // [B T, D]
        let counted = rows.count == targets.count ? hidden : hidden.rows(Tensor(rows, device: computeDevice))  // [R, D]
        return head.loss(counted, targets: Tensor(rows.map { targets[Int($0)] }, device: computeDevice))
    }
}

/// A model that says what stood where the text is masked.
public final class MaskedLanguageModel: TaskModel, TokenTask, RegisteredTask {
    public static let task = ModelTask.maskedLanguageModeling
}

/// A model that gives each token a label.
public final class TokenClassifier: TaskModel, TokenTask, RegisteredTask {
    public static let task = ModelTask.tokenClassification

    public override var impliedHeads: [any LinearLayer] { [] }
}
