package import BitsKernels

// Shapes: B = batch, Tq = queries, Tk = keys, N = heads, G = key and value heads, H = head width.

/// For each query the range of keys that it attends to, [B, Tq, 2] int32: causal masks, padding, packed sequences and sliding windows alike.
public struct AttentionRanges: Sendable {
    package let tensor: Tensor

    /// - Parameter ranges: one per query, row by row; a query with an empty range gets zeros.
    public init(_ ranges: [Range<Int>], batch: Int, device: Device = .cpu) {
        precondition(batch > 0 && ranges.count % batch == 0, "\(ranges.count) ranges for a batch of \(batch)")
        tensor = Tensor(ranges.flatMap { [Int32($0.lowerBound), Int32($0.upperBound)] }, shape: [batch, ranges.count / batch, 2], device: device)
    }

    /// - Parameter tensor: int32 [B, Tq, 2], the first key and the one after the last.
    init(_ tensor: Tensor) { self.tensor = tensor }
}

/// The angles of rotary embedding: cosine and sine by position, float32 [positions, H / 2], and the tokens' positions, int32 [.., T].
public struct RotaryAngles: Sendable {
    package let cosine: Tensor
    package let sine: Tensor
    package let positions: Tensor

    public init(cosine: Tensor, sine: Tensor, positions: Tensor) {
        precondition(
            cosine.shape == sine.shape && cosine.rank == 2 && positions.dtype == .int32,
            "cosine \(cosine.shape) and sine \(sine.shape) at positions \(positions)")
        self.cosine = cosine
        self.sine = sine
        self.positions = positions
    }
}

extension Tensor {
    /// Rotary position embedding of [.., T, heads, H] in the half-split layout (Su et al. 2021), with a position for every token of the leading dimensions.
    public func rotated(_ angles: RotaryAngles) -> Tensor { rotated(angles, inverse: false) }

    private func rotated(_ angles: RotaryAngles, inverse: Bool) -> Tensor {
        precondition(rank >= 3, "rotary embedding of \(shape)")
        let (heads, width) = (shape[rank - 2], shape[rank - 1])
        let tokens = count / max(heads * width, 1)
        precondition(
            angles.cosine.shape[1] == width / 2 && angles.positions.count == tokens,
            "angles \(angles.cosine.shape) at positions \(angles.positions.shape) for \(shape)")
        let result = empty(shape)
        device.run(
            Rotary(
                elements, cosine: angles.cosine.elements, sine: angles.sine.elements, positions: angles.positions.elements, tokens: tokens,
                heads: heads, headWidth: width, inverse: inverse, into: result.slice))
        return result.recorded(from: [self]) { [$0.rotated(angles, inverse: !inverse)] }
    }
}

/// Scaled dot-product attention (Vaswani et al. 2017) of query [B, Tq, N, H] over key and value [B, Tk, G, H] to [B, Tq, N, H]; head n uses key head
/// `n / (N / G)`. `scale` defaults to `1 / sqrt(H)`. The scores are never kept.
public func attention(query: Tensor, key: Tensor, value: Tensor, ranges: AttentionRanges, scale: Float? = nil) -> Tensor {
    precondition(
        query.rank == 4 && key.rank == 4 && key.shape == value.shape && query.shape[0] == key.shape[0] && query.shape[3] == key.shape[3]
            && ranges.tensor.shape == [query.shape[0], query.shape[1], 2],
        "attention of query \(query.shape), key \(key.shape), value \(value.shape), ranges \(ranges.tensor.shape)")
    let isCache = key.strides[1...] == value.strides[1...] && key.strides[0] == value.strides[0] && key.lastAxesAreDense
    let (k, v) = isCache ? (key.slice, value.slice) : (key.elements, value.elements)
    let width = key.shape[2] * key.shape[3]
    var shape = AttentionShape(
        batch: query.shape[0], queries: query.shape[1], keys: key.shape[1], keyStride: isCache && key.shape[0] > 1 ? key.strides[0] / width : nil,
        heads: query.shape[2], groups: key.shape[2], headWidth: query.shape[3], scale: scale ?? 1 / Float(query.shape[3]).squareRoot())
    let records = Tensor.records([query, key, value])
    let logSumExp = records ? query.device.allocate(.float32, count: shape.batch * shape.heads * shape.queries) : nil
    let (q, mask, result) = (query.elements, ranges.tensor.elements, query.empty(query.shape))
    query.device.run(Attention(shape: shape, query: q, key: k, value: v, keyRanges: mask, into: result.slice, logSumExp: logSumExp))
    guard let logSumExp else { return result }
    let (denseKey, denseValue, output, keyShape) = (key.elements, value.elements, result.slice, key.shape)
    shape.keyStride = shape.keys
    return result.recorded(from: [query, key, value]) { [shape] gradient in
        let (dq, dk, dv) = (gradient.empty(gradient.shape), gradient.empty(keyShape), gradient.empty(keyShape))
        gradient.device.run(
            AttentionGradient(
                shape: shape, query: q, key: denseKey, value: denseValue, keyRanges: mask, output: output, logSumExp: logSumExp,
                outputGradient: gradient.slice, queryGradient: dq.slice, keyGradient: dk.slice, valueGradient: dv.slice))
        return [dq, dk, dv]
    }
}

extension Tensor {
    /// Whether [B, T, G, H] has its last three axes without gaps (a window of a cache).
    fileprivate var lastAxesAreDense: Bool {
        let width = shape[2] * shape[3]
        return strides[3] == 1 && strides[2] == shape[3] && strides[1] == width && (shape[0] == 1 || width > 0 && strides[0] % width == 0)
    }
}
