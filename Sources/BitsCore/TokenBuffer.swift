import BitsKernels

/// Memory for a growing list of per-token values, [B, capacity, ...], written piece by piece.
///
/// The one place where a tensor's memory changes after it is made: views of the tokens before the written ones stay as they are, views of tokens that
/// are written again change. It takes memory as it fills, twice as much each time. One task writes and reads.
package final class TokenBuffer {
    private let capacity: Int
    /// [B, tokens that there is memory for, ...]
    private var whole: Tensor

    package init(shape: [Int], dtype: DType, device: Device) {
        precondition(shape.count >= 2, "a token buffer of shape \(shape)")
        capacity = shape[1]
        whole = Tensor.zeros([shape[0], 0] + shape[2...], dtype: dtype, device: device)
    }

    /// Writes `values` [B, T, ...] as tokens `start..<start + T` and returns a view of the first `start + T` tokens. No gradient flows.
    package func write(_ values: Tensor, at start: Int) -> Tensor {
        let end = start + values.shape[1]
        precondition(end <= capacity, "tokens \(start)..<\(end) in a buffer for \(capacity)")
        if end > whole.shape[1] { grow(to: end, keeping: start) }
        values.device.run(StridedCopy(from: values.strided, to: whole.narrowed(1, start..<end).strided))
        return whole.narrowed(1, 0..<end)
    }
    private func grow(to count: Int, keeping written: Int) {
        var shape = whole.shape
        shape[1] = min(capacity, max(count, 2 * shape[1], 64))
        let larger = whole.empty(shape)
        if written > 0 {
            whole.device.run(StridedCopy(from: whole.narrowed(1, 0..<written).strided, to: larger.narrowed(1, 0..<written).strided))
        }
        whole = larger
    }
}
