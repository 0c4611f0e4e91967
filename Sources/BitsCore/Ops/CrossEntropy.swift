import BitsKernels

// Shapes: T = tokens, V = vocabulary.

extension Tensor {
    /// The negative log-likelihood of `targets` [T] (int32) under logits [T, V], per token, float32 [T]; targets of -100 give 0.
    public func crossEntropy(_ targets: Tensor) -> Tensor {
        precondition(rank == 2 && targets.shape == [shape[0]], "cross-entropy of logits \(shape) and targets \(targets.shape)")
        let (logits, ids, losses) = (elements, targets.elements, empty([shape[0]], .float32))
        device.run(CrossEntropy(logits: logits, targets: ids, losses: losses.slice))
        let (whole, scratch) = (shape, losses.slice.count)
        return losses.recorded(from: [self]) { gradient in
            let back = gradient.empty(whole, logits.dtype)
            gradient.device.run(
                CrossEntropy(logits: logits, targets: ids, losses: gradient.device.allocate(.float32, count: scratch), gradient: back.slice))
            return [(back * gradient.reshaped(-1, 1)).cast(to: logits.dtype)]
        }
    }
}
