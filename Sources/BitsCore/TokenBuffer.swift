import BitsKernels

/// Memory for a growing list of per-token values, [B, capacity, ...], written piece by piece.
///
/// The one place where a tensor's memory changes after it is made: views of the tokens before the written ones stay as they are, views of tokens that
/// are written again change. One task writes and reads.
package final class TokenBuffer {
    private let whole: Tensor

    package init(shape: [Int], dtype: DType, device: Device) {
        precondition(shape.count >= 2, "a token buffer of shape \(shape)")
        whole = Tensor.zeros(shape, dtype: dtype, device: device)
    }

    /// Writes `values` [B, T, ...] as tokens `start..<start + T` and returns a view of the first `start + T` tokens. No gradient flows.
    package func write(_ values: Tensor, at start: Int) -> Tensor {
        let end = start + values.shape[1]
        precondition(end <= whole.shape[1], "tokens \(start)..<\(end) in a buffer for \(whole.shape[1])")
        values.device.run(StridedCopy(from: values.strided, to: whole.narrowed(1, start..<end).strided))
        return whole.narrowed(1, 0..<end)
    }
}
