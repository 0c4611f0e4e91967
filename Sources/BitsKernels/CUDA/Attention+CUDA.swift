extension Attention: CUDAKernel {
    private static let function = CUDAFunction("attention", "attention")

    var suitsCUDA: Bool { inputs.shape.fitsCUDA }

    func launch(on queue: CUDAQueue) {
        guard inputs.shape.rows > 0 else { return }
        if let decoding = AttentionDecoding(self) { return decoding.launch(on: queue) }
        let warps = CUDAWarps(inputs.shape.rows, sharedFloats: inputs.shape.headWidth + inputs.shape.valueWidth)
        let none: Slice? = nil
        queue.launch(
            Self.function, blocks: warps.blocks, threads: warps.threads, sharedByteCount: warps.sharedByteCount, inputs, output, output.dtype.code,
            logSumExp, none, Int32(1))
    }
}

extension AttentionGradient: CUDAKernel {
    private static let ofQueries = CUDAFunction("attention", "attention_query_gradient")
    private static let ofKeys = CUDAFunction("attention", "attention_key_gradient")

    var suitsCUDA: Bool { inputs.shape.fitsCUDA }

    func launch(on queue: CUDAQueue) {
        let shape = inputs.shape
        let means = queue.scratch(.float32, count: shape.rows)
        let none: Slice? = nil
        let rows = CUDAWarps(shape.rows, sharedFloats: 2 * shape.headWidth + shape.valueWidth)
        queue.launch(
            Self.ofQueries, blocks: rows.blocks, threads: rows.threads, sharedByteCount: rows.sharedByteCount, inputs, output, output.dtype.code,
            logSumExp, outputGradient, outputGradient.dtype.code, means, gradients.query, gradients.query.dtype.code, gradients.byQuery, none,
            Int32(1))
        let keys = CUDAWarps(shape.batch * shape.keys * shape.groups, sharedFloats: 2 * (shape.headWidth + shape.valueWidth))
        queue.launch(
            Self.ofKeys, blocks: keys.blocks, threads: keys.threads, sharedByteCount: keys.sharedByteCount, inputs, output, output.dtype.code,
            logSumExp, outputGradient, outputGradient.dtype.code, means, gradients.key, gradients.key.dtype.code, gradients.value,
            gradients.value.dtype.code, gradients.byKey, none, Int32(1))
    }
}

extension AttentionShape {
    /// Whether the vectors of a warp fit into the shared memory that every GPU has.
    fileprivate var fitsCUDA: Bool { 2 * (headWidth + valueWidth) * 4 <= CUDAWarps.sharedByteLimit }
}

/// How vectors are shared between warps that each need some shared memory.
private struct CUDAWarps {
    static let sharedByteLimit = 48 * 1024
    let blocks: Int
    let threads: Int
    let sharedByteCount: Int

    init(_ count: Int, sharedFloats: Int) {
        let warps = max(1, min(4, CUDAWarps.sharedByteLimit / max(4 * sharedFloats, 1)))
        (blocks, threads, sharedByteCount) = (min((count + warps - 1) / warps, Int(Int32.max)), 32 * warps, 4 * warps * sharedFloats)
    }
}

/// `Inputs` of the kernels.
extension AttentionInputs: CUDAArgument {
    func append(to arguments: inout CUDAArguments) {
        var (slopes, byQuery, byKey, buckets, count): (Slice?, Slice?, Slice?, Slice?, Int) = (nil, nil, nil, nil, 0)
        switch bias {
        case nil: break
        case .slopes(let slice): slopes = slice
        case .relative(let queryTable, let keyTable, let slice, let bucketCount):
            (byQuery, byKey, buckets, count) = (queryTable, keyTable, slice, bucketCount)
        }
        let (window, size) = shape.window.inCUDA
        for slice in [query, key, value, keyRanges, slopes, byQuery, byKey, buckets] { slice.append(to: &arguments) }
        for number in [shape.batch, shape.keyStride, size] { number.append(to: &arguments) }
        let types = [query, key, value].map(\.dtype.code)
        let sizes = [shape.queries, shape.keys, shape.heads, shape.groups, shape.headWidth, shape.valueWidth].map { Int32($0) }
        for number in types + sizes + [window, Int32(count)] { number.append(to: &arguments) }
        shape.scale.append(to: &arguments)
    }
}

extension AttentionWindow? {
    /// Its kind and its size as the kernels take them; sizes beyond every range of keys are all the same.
    var inCUDA: (kind: Int32, size: Int) {
        switch self {
        case nil: (0, 0)
        case .last(let count): (1, min(count, 1 << 40))
        case .around(let distance): (2, min(distance, 1 << 40))
        }
    }
}
