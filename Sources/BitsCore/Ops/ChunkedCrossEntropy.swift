import BitsKernels

// Shapes: T = tokens, t = tokens of a chunk, D = model width, V = vocabulary.

/// How the losses of tokens become one number.
public enum LossReduction: Sendable {
    case sum
    /// Over the tokens that have a target; NaN where none has.
    case mean
}

/// The negative log-likelihood of `targets` [T] (int32) under the logits that `head` computes from `hidden` [T, D], a float32 scalar.
///
/// Logits [t, V] exist for `chunk` tokens at a time, in the forward pass as on the way back: where a gradient is wanted it is computed together with the
/// loss, and only that of `hidden` and of what else leads to a parameter is kept. Targets of -100 count nothing.
///
/// - Parameter head: from rows of `hidden` [t, D] to their logits [t, V], each row for itself: a linear layer of any form, with its bias, its adapter, and
///   what the model does to logits. It runs once a chunk.
public func chunkedCrossEntropy(
    _ hidden: Tensor, targets: Tensor, reduction: LossReduction = .sum, chunk: Int = 256, head: (_ rows: Tensor) -> Tensor
) -> Tensor {
    precondition(
        hidden.rank == 2 && targets.shape == [hidden.shape[0]] && chunk > 0,
        "cross-entropy of hidden \(hidden.shape) and targets \(targets.shape) in chunks of \(chunk)")
    let (tokens, ids, device) = (hidden.shape[0], targets.elements, hidden.device)
    let losses = hidden.empty([tokens], .float32)
    var gradients = ChunkGradients(of: hidden)
    var vocabulary = 0
    for start in stride(from: 0, to: tokens, by: chunk) {
        let rows = start..<min(start + chunk, tokens)
        let logits = head(gradients.rows(rows))
        precondition(logits.rank == 2 && logits.shape[0] == rows.count, "logits \(logits.shape) for \(rows.count) tokens")
        let (shape, node) = (logits.shape, logits.node)
        vocabulary = shape[1]
        var memory = logits.elements
        _ = consume logits
        // The gradient takes the place of the logits, unless the head holds on to them.
        let gradient: Slice? = node == nil ? nil : memory.isOnlyReference() ? memory : device.allocate(memory.dtype, count: memory.count)
        device.run(CrossEntropy(logits: memory, targets: ids[rows], losses: losses.slice[rows], gradient: gradient))
        if let node, let gradient { gradients.add(Tensor(gradient, shape: shape), of: node, rows: rows) }
    }
    let sum = gradients.recorded(losses.sum())
    switch reduction {
    case .sum: return sum
    case .mean: return sum / Tensor.ones([vocabulary, 1], device: device).rows(targets).sum()  // rows outside the table are zeros
    }
}

/// The gradients of a loss's sum, gathered chunk by chunk before it is known what the loss is used for.
private struct ChunkGradients {
    private let hidden: Tensor
    /// Stands for `hidden` in the computation of a chunk; nil where no gradient of it is wanted.
    private let leaf: TapeNode?
    /// Nodes up to this one are not of a chunk's computation.
    private let start: UInt64
    /// The gradient of `hidden`, written piece by piece.
    private let ofHidden: Tensor?
    private var others: [(node: TapeNode, sum: GradientSum)] = []

    init(of hidden: Tensor) {
        self.hidden = hidden.contiguous()
        leaf = Tensor.records([hidden]) ? TapeNode(inputs: []) { _ in [] } : nil
        ofHidden = leaf == nil ? nil : hidden.empty(hidden.shape)
        start = Tape.nextSequence()
    }

    private func slice(of tensor: Tensor, _ rows: Range<Int>) -> Slice {
        tensor.slice[rows.lowerBound * hidden.shape[1]..<rows.upperBound * hidden.shape[1]]
    }

    /// The rows of `hidden` that a chunk computes with.
    func rows(_ rows: Range<Int>) -> Tensor { Tensor(slice(of: hidden, rows), shape: [rows.count, hidden.shape[1]], node: leaf) }

    /// Takes the gradient of a chunk's logits, which came from `node`, back to where the chunk's computation began.
    mutating func add(_ gradient: Tensor, of node: TapeNode, rows: Range<Int>) {
        noGradient {
            walkBack(from: node, gradient, until: { $0.sequence <= start }) { reached, sum in
                if reached === leaf, let ofHidden {
                    let shape = [rows.count, hidden.shape[1]]
                    hidden.device.run(
                        StridedCopy(from: sum.value.strided, to: StridedSlice(contiguous: slice(of: ofHidden, rows), shape: shape)))
                } else if let index = others.firstIndex(where: { $0.node === reached }) {
                    others[index].sum.add(sum)
                } else {
                    others.append((reached, sum))
                }
            }
        }
    }

    /// `loss` with the way back to what was gathered.
    func recorded(_ loss: Tensor) -> Tensor {
        var gradients = others.map { (node: $0.node, gradient: $0.sum.value) }
        if let ofHidden, let node = hidden.node { gradients.append((node, ofHidden)) }
        if gradients.isEmpty { return loss }
        let node = TapeNode(inputs: gradients.map(\.node)) { [gradients] scale in
            gradients.map { ($0.node, ($0.gradient * scale).cast(to: $0.gradient.dtype)) }
        }
        return Tensor(loss.slice, shape: loss.shape, node: node)
    }
}
