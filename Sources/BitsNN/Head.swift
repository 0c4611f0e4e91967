public import BitsCore

// Shapes: T = tokens, D = model width, C = classes: tokens of a vocabulary, or labels.

/// What a model ends in: from hidden states to scores over classes, and the loss of the right ones. A linear layer is one, whatever form its weight is in.
public protocol Head: Module {
    /// The layer that gives the scores.
    var output: any LinearLayer { get }

    /// The scores of hidden states, [.., D] to [.., C] in float32.
    func scores(_ hidden: Tensor) -> Tensor
}

extension Head {
    /// The sum over tokens of the negative log-likelihood of `targets` [T] under the scores of `hidden` [T, D], a float32 scalar. Targets of -100 count
    /// nothing. Scores are computed for a few hundred tokens at a time.
    public func loss(_ hidden: Tensor, targets: Tensor) -> Tensor {
        chunkedCrossEntropy(hidden, targets: targets) { scores($0) }
    }
}

extension LinearLayer {
    public var output: any LinearLayer { self }

    /// The layer's output in float32, whatever the type of `hidden`.
    public func scores(_ hidden: Tensor) -> Tensor { self(hidden.cast(to: .float32)) }
}
