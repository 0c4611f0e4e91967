import BitsKernels

// Shapes: T = tokens, D = model width, V = vocabulary.

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

/// The sum over tokens of the negative log-likelihood of `targets` [T] under the logits `hidden · headᵀ`, a float32 scalar.
///
/// hidden [T, D], head [V, D]. The logits exist for `chunk` tokens at a time, in the forward pass as on the way back: where a gradient is wanted it
/// is computed together with the loss. Targets of -100 count nothing.
///
/// - Parameter computeDType: `.bfloat16` rounds the operands of the products to it; nil follows the type of `hidden`.
public func linearCrossEntropy(hidden: Tensor, head: Tensor, targets: Tensor, computeDType: DType? = nil, chunk: Int = 256) -> Tensor {
    precondition(
        hidden.rank == 2 && head.rank == 2 && hidden.shape[1] == head.shape[1] && targets.shape == [hidden.shape[0]],
        "cross-entropy of hidden \(hidden.shape), head \(head.shape), targets \(targets.shape)")
    let (tokens, width, vocabulary) = (hidden.shape[0], hidden.shape[1], head.shape[0])
    let (x, w, ids, device) = (hidden.elements, head.elements, targets.elements, hidden.device)
    let records = Tensor.records([hidden, head])
    let (wantsHidden, wantsHead) = (records && hidden.node != nil, records && head.node != nil)
    let precision = ProductPrecision(activations: computeDType ?? hidden.dtype)
    let losses = hidden.empty([tokens], .float32)
    let dx = wantsHidden ? hidden.empty(hidden.shape, .float32) : nil
    let dw = wantsHead ? Tensor.zeros(head.shape, device: device) : nil
    let logits = device.allocate(.float32, count: min(chunk, tokens) * vocabulary)
    for start in stride(from: 0, to: tokens, by: chunk) {
        let range = start..<min(start + chunk, tokens)
        let part = logits[0..<range.count * vocabulary]
        let rows = x[range.lowerBound * width..<range.upperBound * width]
        device.run(MatrixProduct(rows, w, into: part, m: range.count, n: vocabulary, k: width, transposesB: true, precision: precision))
        device.run(CrossEntropy(logits: part, targets: ids[range], losses: losses.slice[range], gradient: wantsHidden || wantsHead ? part : nil))
        if let dx {
            let target = dx.slice[range.lowerBound * width..<range.upperBound * width]
            device.run(MatrixProduct(part, w, into: target, m: range.count, n: width, k: vocabulary, precision: precision))
        }
        if let dw {
            device.run(
                MatrixProduct(
                    part, rows, into: dw.slice, m: vocabulary, n: width, k: range.count, transposesA: true, accumulates: true, precision: precision))
        }
    }
    let (hiddenType, headType) = (hidden.dtype, head.dtype)
    return losses.sum().recorded(from: [hidden, head]) { gradient in
        [dx.map { ($0 * gradient).cast(to: hiddenType) }, dw.map { ($0 * gradient).cast(to: headType) }]
    }
}
