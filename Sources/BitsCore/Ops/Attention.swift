package import BitsKernels

// Shapes: B = batch, Tq = queries, Tk = keys, N = heads, G = key and value heads, H = head width, Hv = width of values.

/// For each query the range of keys that it attends to, [B, Tq, 2] int32: causal masks, padding, packed sequences alike. The layers of a model share it;
/// what one of them narrows it to is the layer's ``AttentionOptions/window``.
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
    /// Where there are angles for less than H features, the first of a head are rotated and the others stay.
    public func rotated(_ angles: RotaryAngles) -> Tensor {
        let (axis, width) = (rank - 1, 2 * angles.cosine.shape[1])
        guard let all = shape.last, width < all else { return rotated(angles, inverse: false) }
        let rotating = narrowed(axis: axis, to: 0..<width).rotated(angles, inverse: false)
        return Tensor.concatenated([rotating, narrowed(axis: axis, to: width..<all)], axis: axis)
    }

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

/// Scaled dot-product attention (Vaswani et al. 2017) of query [B, Tq, N, H] over key [B, Tk, G, H] and value [B, Tk, G, Hv] to [B, Tq, N, Hv]; head n uses
/// key head `n / (N / G)`.
///
/// `softmax_k(bounded(scale * query · key_k) + bias_k) · value_k` over the keys that each query sees; 0 where it sees none. The scores are never kept, here or in
/// the gradient. Arithmetic is float32; types are independent, and the result has that of `query`. Keys and values may be windows of a cache: they are
/// read where they lie.
public func attention(query: Tensor, key: Tensor, value: Tensor, ranges: AttentionRanges, options: AttentionOptions = AttentionOptions()) -> Tensor {
    precondition(
        query.rank == 4 && key.rank == 4 && value.rank == 4 && key.shape.dropLast() == value.shape.dropLast() && query.shape[0] == key.shape[0]
            && query.shape[3] == key.shape[3] && ranges.tensor.shape == [query.shape[0], query.shape[1], 2],
        "attention of query \(query.shape), key \(key.shape), value \(value.shape), ranges \(ranges.tensor.shape)")
    let stride = key.tokenStride
    let isCache = stride != nil && stride == value.tokenStride
    var inputs = AttentionInputs(
        AttentionShape(
            batch: query.shape[0], queries: query.shape[1], keys: key.shape[1], keyStride: isCache ? stride : nil, heads: query.shape[2],
            groups: key.shape[2], headWidth: query.shape[3], valueWidth: value.shape[3],
            scale: options.scale ?? 1 / Float(query.shape[3]).squareRoot(), cap: options.cap, window: options.window),
        query: query.elements, key: isCache ? key.slice : key.elements, value: isCache ? value.slice : value.elements,
        keyRanges: ranges.tensor.elements, bias: options.bias?.operands)
    let (byQuery, byKey) = options.bias?.tables ?? (nil, nil)
    let operands = [query, key, value, byQuery, byKey].compactMap { $0 }
    let logSumExp = Tensor.records(operands) ? query.device.allocate(.float32, count: inputs.shape.rows) : nil
    let result = query.empty(query.shape.dropLast() + [value.shape[3]])
    query.device.run(Attention(inputs, into: result.slice, logSumExp: logSumExp))
    guard let logSumExp else { return result }

    (inputs.key, inputs.value, inputs.shape.keyStride) = (key.elements, value.elements, inputs.shape.keys)
    let (output, likeQuery, likeKey, likeValue) = (result.slice, query.outline, key.outline, value.outline)
    let (likeByQuery, likeByKey) = (byQuery?.outline, byKey?.outline)
    return result.recorded(from: operands) { [inputs] gradient in
        let (dq, dk, dv) = (gradient.empty(likeQuery), gradient.empty(likeKey), gradient.empty(likeValue))
        let (dByQuery, dByKey) = (likeByQuery.map(gradient.empty), likeByKey.map(gradient.empty))
        gradient.device.run(
            AttentionGradient(
                inputs, output: output, logSumExp: logSumExp, outputGradient: gradient.slice,
                into: AttentionGradient.Gradients(
                    query: dq.slice, key: dk.slice, value: dv.slice, byQuery: dByQuery?.slice, byKey: dByKey?.slice)))
        // Of those that there are: an operand that is missing has no place among the inputs.
        let ofTables: [Tensor] = [dByQuery, dByKey].compactMap { $0 }
        return [dq, dk, dv] + ofTables
    }
}

extension Tensor {
    /// What a gradient needs to know of an operand to have its shape and type.
    fileprivate var outline: (shape: [Int], dtype: DType) { (shape, dtype) }

    fileprivate func empty(_ outline: (shape: [Int], dtype: DType)) -> Tensor { empty(outline.shape, outline.dtype) }

    /// Tokens from one batch entry of [B, T, G, H] to the next, where there are no gaps between tokens (a window of a cache); nil where there are.
    fileprivate var tokenStride: Int? {
        let width = shape[2] * shape[3]
        guard width > 0, strides[1...] == [width, shape[3], 1] else { return nil }
        if shape[0] == 1 { return shape[1] }
        return strides[0] >= shape[1] * width && strides[0] % width == 0 ? strides[0] / width : nil
    }
}
