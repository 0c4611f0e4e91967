import BitsKernels

// Shapes: M = rows (all leading dimensions), K = input width, N = output width, R = rank.

extension Tensor {
    /// `self + scale * (x · downᵀ) · upᵀ`: an output [.., N] with a low-rank update from the input x [.., K]; down [R, K], up [N, R]. float32 sums.
    ///
    /// Takes over the memory of `self` where nothing else refers to it, and copies it first where something does. The operation that made `self` may
    /// not need its output for its gradient.
    ///
    /// - Parameter computeDType: what the products round their operands to, here and in the gradients; nothing unless given.
    package consuming func addingLowRank(of x: Tensor, down: Tensor, up: Tensor, scale: Float, computeDType: DType = .float32) -> Tensor {
        let (rank, k, n, m) = (down.shape[0], down.shape[1], up.shape[0], x.count / max(x.shape.last ?? 1, 1))
        precondition(
            x.shape.last == k && up.shape == [n, rank] && shape == x.shape.dropLast() + [n],
            "low-rank update of \(shape) by \(up.shape) and \(down.shape) from \(x.shape)")
        let (input, a, b, precision) = (x.elements, down.elements, up.elements, ProductPrecision(activations: computeDType))
        let (shape, node) = (shape, node)
        var memory = elements
        _ = consume self
        if !memory.isOnlyReference() {
            let copy = memory.device.allocate(memory.dtype, count: memory.count)
            memory.device.run(StridedCopy(from: StridedSlice(contiguous: memory, shape: shape), to: StridedSlice(contiguous: copy, shape: shape)))
            memory = copy
        }
        let (output, device) = (Tensor(memory, shape: shape), memory.device)
        let narrow = output.empty([m, rank], precision.dtype)  // scale * x · downᵀ
        device.run(ScaledProduct(scale, input, a, into: narrow.slice, m: m, n: rank, k: k, transposesB: true, precision: precision))
        device.run(
            MatrixProduct(narrow.slice, b, into: output.slice, m: m, n: n, k: rank, transposesB: true, accumulates: true, precision: precision))
        let (wantsInput, wantsUp, inputType, inputShape) = (x.node != nil, up.node != nil, x.dtype, x.shape)
        let operand = down.node == nil ? nil : KeptElements(of: x, input)
        let (downType, upType) = (down.dtype, up.dtype)
        return output.recorded(from: [Tensor(memory, shape: shape, node: node), x, down, up]) { gradient in
            let (g, device) = (gradient.slice, gradient.device)
            var (dx, da, db): (Tensor?, Tensor?, Tensor?)
            if wantsInput || operand != nil {
                let back = gradient.empty([m, rank], precision.dtype)  // scale * gradient · up
                device.run(ScaledProduct(scale, g, b, into: back.slice, m: m, n: rank, k: n, precision: precision))
                if wantsInput {
                    let result = gradient.empty(inputShape, inputType)
                    device.run(MatrixProduct(back.slice, a, into: result.slice, m: m, n: k, k: rank, precision: precision))
                    dx = result
                }
                if let input = operand?.slice {
                    let result = gradient.empty([rank, k], downType)
                    device.run(MatrixProduct(back.slice, input, into: result.slice, m: rank, n: k, k: m, transposesA: true, precision: precision))
                    da = result
                }
            }
            if wantsUp {
                let result = gradient.empty([n, rank], upType)
                device.run(MatrixProduct(g, narrow.slice, into: result.slice, m: n, n: rank, k: m, transposesA: true, precision: precision))
                db = result
            }
            return [gradient, dx, da, db]
        }
    }
}
