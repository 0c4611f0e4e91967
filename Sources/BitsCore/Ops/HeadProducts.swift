package import BitsKernels

// Shapes: B = batch, T = tokens, N = heads, H = head width, C = rows of the other operand.

extension Tensor {
    /// Head by head the products with the rows of `other`: `result[b, n, t, c] = self[b, t, n] · other[c, n]`, [B, T, N, H] by [C, N, H] to [B, N, T, C], float32.
    ///
    /// What relative positions add to scores, for ``AttentionBias/relative(byQuery:byKey:buckets:)``.
    ///
    /// - Parameter computeDType: what the operands are rounded to, here and in the gradients; nil follows the type of `self`.
    public func headProducts(_ other: Tensor, computeDType: DType? = nil) -> Tensor {
        precondition(
            rank == 4 && other.rank == 3 && shape[2...] == other.shape[1...] && count > 0 && other.count > 0,
            "head products of \(shape) and \(other.shape)")
        let (B, T, N, H, C) = (shape[0], shape[1], shape[2], shape[3], other.shape[0])
        let layout = HeadLayout(batch: B, tokens: T, heads: N, width: H, rows: C)
        let (x, y, precision) = (elements, other.elements, ProductPrecision(activations: computeDType ?? dtype))
        let result = empty([B, N, T, C], .float32)
        for (b, n) in layout.all {
            device.run(
                MatrixProduct(
                    layout.tokens(of: x, b, n), layout.rows(of: y, n), into: result.slice.block(b * N + n, of: B * N), m: T, n: C, k: H,
                    transposesB: true,
                    aStride: N * H, bStride: N * H, precision: precision))
        }
        let (wantsSelf, wantsOther, type, otherType) = (node != nil, other.node != nil, dtype, other.dtype)
        return result.recorded(from: [self, other]) { gradient in
            let dx = wantsSelf ? gradient.empty([B, N, T, H], type) : nil
            let dy = wantsOther ? gradient.empty([N, C, H]) : nil
            for (b, n) in layout.all {
                let g = gradient.slice.block(b * N + n, of: B * N)  // [T, C]
                if let dx {
                    gradient.device.run(
                        MatrixProduct(
                            g, layout.rows(of: y, n), into: dx.slice.block(b * N + n, of: B * N), m: T, n: H, k: C, bStride: N * H,
                            precision: precision))
                }
                if let dy {
                    gradient.device.run(
                        MatrixProduct(
                            g, layout.tokens(of: x, b, n), into: dy.slice.block(n, of: N), m: C, n: H, k: T, transposesA: true, bStride: N * H,
                            accumulates: b > 0, precision: precision))
                }
            }
            return [dx?.transposed(1, 2), dy?.transposed(0, 1).cast(to: otherType)]
        }
    }
}

/// Where the matrices of each head lie.
private struct HeadLayout: Sendable {
    let batch: Int, tokens: Int, heads: Int, width: Int, rows: Int

    /// Every head of every batch entry.
    var all: [(Int, Int)] { (0..<batch).flatMap { b in (0..<heads).map { (b, $0) } } }

    /// Of [B, T, N, H]: rows N * H apart.
    func tokens(of slice: Slice, _ b: Int, _ n: Int) -> Slice {
        slice[(b * tokens * heads + n) * width..<(b + 1) * tokens * heads * width]
    }

    /// Of [C, N, H]: rows N * H apart.
    func rows(of slice: Slice, _ n: Int) -> Slice { slice[n * width..<slice.count] }
}

extension Slice {
    /// The `index`-th of `count` blocks of equal size.
    fileprivate func block(_ index: Int, of count: Int) -> Slice { self[index * (self.count / count)..<(index + 1) * (self.count / count)] }
}
