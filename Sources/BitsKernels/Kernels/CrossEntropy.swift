/// Negative log-likelihood of each row: `losses[r] = log sum_v exp(logits[r, v]) - logits[r, targets[r]]`; rows whose target is `ignoreIndex` give 0.
///
/// With `gradient`, also `gradient[r, v] = gradientScale * (softmax(logits[r])[v] - [v == targets[r]])` (0 in ignored rows); it may be the logits' own slice.
/// Shapes: logits [rows, vocabulary], targets int32 or int64 [rows], losses float32 [rows]. A target outside the vocabulary gives loss NaN and gradient 0.
package struct CrossEntropy: Kernel {
    package static let name = "cross_entropy"
    package static let ignoreIndex = -100
    package var logits: Slice
    package var targets: Slice
    package var losses: Slice
    package var gradient: Slice?
    package var gradientScale: Float

    package init(logits: Slice, targets: Slice, losses: Slice, gradient: Slice? = nil, gradientScale: Float = 1) {
        precondition(
            losses.count == targets.count && (targets.count == 0 || logits.count % targets.count == 0)
                && (gradient?.count ?? logits.count) == logits.count,
            "cross-entropy of \(logits.count) logits for \(targets.count) targets")
        (self.logits, self.targets, self.losses, self.gradient, self.gradientScale) = (logits, targets, losses, gradient, gradientScale)
    }

    package static let operandList: OperandList<Self> = [
        .reads("logits", \.logits, inPlace: true), .reads("targets", \.targets), .writes("losses", \.losses), .writes("gradient", \.gradient),
    ]

    package var rows: Int { targets.count }
    package var vocabulary: Int { rows == 0 ? 0 : logits.count / rows }
}
