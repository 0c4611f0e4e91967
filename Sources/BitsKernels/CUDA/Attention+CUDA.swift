extension Attention: CUDAKernel {
    private static let function = CUDAFunction("attention", "attention")

    var suitsCUDA: Bool { inputs.shape.fitsCUDA }

    func launch(on queue: CUDAQueue) {
        guard inputs.shape.rows > 0 else { return }
        if let decoding = AttentionDecoding(self) { return decoding.launch(on: queue) }
        let tiled: (any TiledAttention)? = AttentionTiles(self, on: queue) ?? AttentionFloats(self, on: queue)
        let flaws = tiled?.launch(self, on: queue)
        let warps = CUDAWarps(inputs.shape.rows, sharedFloats: inputs.shape.headWidth + inputs.shape.valueWidth, flaws: flaws)
        queue.launch(
            Self.function, blocks: warps.blocks, threads: warps.threads, sharedByteCount: warps.sharedByteCount, overlaps: true, inputs, output,
            output.dtype.code, logSumExp, flaws?.tiles, Int32(flaws?.length ?? 1))
    }
}

extension AttentionGradient: CUDAKernel {
    private static let ofQueries = CUDAFunction("attention", "attention_query_gradient")
    private static let ofKeys = CUDAFunction("attention", "attention_key_gradient")

    var suitsCUDA: Bool { inputs.shape.fitsCUDA }

    func launch(on queue: CUDAQueue) {
        let shape = inputs.shape
        let means = queue.scratch(.float32, count: shape.rows)
        let tiled: (any TiledAttention)? = AttentionTiles(self, on: queue) ?? AttentionFloats(self, on: queue)
        var flaws = tiled?.launchQueries(self, means: means, on: queue)
        let rows = CUDAWarps(shape.rows, sharedFloats: 2 * shape.headWidth + shape.valueWidth, flaws: flaws)
        queue.launch(
            Self.ofQueries, blocks: rows.blocks, threads: rows.threads, sharedByteCount: rows.sharedByteCount, overlaps: true, inputs, output,
            output.dtype.code, logSumExp, outputGradient, outputGradient.dtype.code, means, gradients.query, gradients.query.dtype.code,
            gradients.byQuery, flaws?.tiles, Int32(flaws?.length ?? 1))
        flaws = tiled?.launchKeys(self, means: means, on: queue)
        let keys = CUDAWarps(shape.batch * shape.keys * shape.groups, sharedFloats: 2 * (shape.headWidth + shape.valueWidth), flaws: flaws)
        queue.launch(
            Self.ofKeys, blocks: keys.blocks, threads: keys.threads, sharedByteCount: keys.sharedByteCount, overlaps: true, inputs, output,
            output.dtype.code, logSumExp, outputGradient, outputGradient.dtype.code, means, gradients.key, gradients.key.dtype.code, gradients.value,
            gradients.value.dtype.code, gradients.byKey, flaws?.tiles, Int32(flaws?.length ?? 1))
    }
}

/// Faster kernels for many queries, which compute tiles, and leave those whose results are not finite.
protocol TiledAttention {
    func launch(_ kernel: Attention, on queue: CUDAQueue) -> AttentionFlaws
    /// The gradients of queries, and for each row the mean that those of keys and values need.
    func launchQueries(_ kernel: AttentionGradient, means: Slice, on queue: CUDAQueue) -> AttentionFlaws
    func launchKeys(_ kernel: AttentionGradient, means: Slice, on queue: CUDAQueue) -> AttentionFlaws
}

/// Which tiles are to be computed again.
struct AttentionFlaws {
    /// int32, not 0 for those: in the order of batch entries, heads (groups for keys) and tokens.
    let tiles: Slice
    /// Tokens of a tile.
    let length: Int
}

extension AttentionShape {
    /// Whether the vectors of a warp fit into the shared memory that every GPU has.
    fileprivate var fitsCUDA: Bool { 2 * (headWidth + valueWidth) * 4 <= CUDAWarps.sharedByteLimit }
}

/// How vectors are shared between warps that each need some shared memory; between blocks that each have a tile where there are flaws to look for.
private struct CUDAWarps {
    static let sharedByteLimit = 48 * 1024
    let blocks: Int
    let threads: Int
    let sharedByteCount: Int

    init(_ count: Int, sharedFloats: Int, flaws: AttentionFlaws?) {
        let warps = max(1, min(4, CUDAWarps.sharedByteLimit / max(4 * sharedFloats, 1)))
        blocks = flaws?.tiles.count ?? min((count + warps - 1) / warps, Int(Int32.max))
        (threads, sharedByteCount) = (32 * warps, 4 * warps * sharedFloats)
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
        for number in [shape.scale, shape.cap ?? 0] { number.append(to: &arguments) }
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
