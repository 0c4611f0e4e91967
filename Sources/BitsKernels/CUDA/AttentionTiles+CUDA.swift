/// Attention of many queries in 16 bits, and its gradients, by matrix instructions, which round probabilities to that type.
struct AttentionTiles: TiledAttention {
    /// By the width that vectors are stored in.
    private static let widths = [64, 96, 128, 256]
    private static let forward = widths.map { CUDAFunctions("attention_tiles", "attention_tiles_\($0)") }
    private static let ofQueries = widths.map { CUDAFunctions("attention_tiles", "attention_tiles_query_gradient_\($0)") }
    private static let ofKeys = widths.map { CUDAFunctions("attention_tiles", "attention_tiles_key_gradient_\($0)") }
    private static let bounds = CUDAFunction("attention_tiles", "attention_tile_bounds")
    /// Queries of a tile; those, and keys, of the kernel of the gradients of keys.
    private static let length = 128
    private static let queriesOfKeys = 64
    /// The gradients' sums of wider vectors do not fit into registers.
    private static let widestGradient = 128

    private let inputs: AttentionInputs
    private let choice: Int
    private let dtype: DType

    /// Nil where the kernels do not take `inputs`, or what else they read and write.
    private init?(_ inputs: AttentionInputs, others: [Slice], widest: Int, queue: CUDAQueue) {
        let shape = inputs.shape
        let slices = [inputs.query, inputs.key, inputs.value] + others
        let width = max(shape.headWidth, shape.valueWidth)
        if case .relative = inputs.bias { return nil }
        guard
            queue.properties.computeCapability >= 80, inputs.query.dtype != .float32, shape.scale > 0, shape.queries > AttentionDecoding.mostQueries,
            shape.keys > 0,
            slices.allSatisfy({ $0.dtype == inputs.query.dtype && $0.isAlignedForCUDA }),
            [shape.headWidth, shape.valueWidth].allSatisfy({ $0 > 0 && $0 % 8 == 0 }), width <= widest,
            let choice = Self.widths.firstIndex(where: { width <= $0 }),
            Self.sharedByteCount(Self.widths[choice], isGradient: widest < 256) <= queue.properties.sharedByteCount
        else { return nil }
        (self.inputs, self.choice, dtype) = (inputs, choice, inputs.query.dtype)
    }

    init?(_ kernel: Attention, on queue: CUDAQueue) { self.init(kernel.inputs, others: [kernel.output], widest: 256, queue: queue) }

    init?(_ kernel: AttentionGradient, on queue: CUDAQueue) {
        let gradients = kernel.gradients
        self.init(
            kernel.inputs, others: [kernel.output, kernel.outputGradient, gradients.query, gradients.key, gradients.value],
            widest: Self.widestGradient, queue: queue)
    }

    /// Shared memory of a block: four tiles of 128 vectors for gradients, two for the rest, in rows of 16 bytes more; and numbers for the rows.
    private static func sharedByteCount(_ width: Int, isGradient: Bool) -> Int { (isGradient ? 4 : 2) * length * 2 * (width + 8) + 2048 }

    private var width: Int { Self.widths[choice] }
    private var tilesOfQueries: Int { inputs.shape.batch * inputs.shape.heads * Self.tiles(inputs.shape.queries, of: Self.length) }
    private var tilesOfKeys: Int { inputs.shape.batch * inputs.shape.groups * Self.tiles(inputs.shape.keys, of: Self.length) }

    private static func tiles(_ count: Int, of length: Int) -> Int { (count + length - 1) / length }

    func launch(_ kernel: Attention, on queue: CUDAQueue) -> AttentionFlaws {
        let flaws = queue.scratch(.int32, count: tilesOfQueries)
        queue.launch(
            Self.forward[choice][dtype], blocks: tilesOfQueries, threads: width > 128 ? 256 : 128,
            sharedByteCount: Self.sharedByteCount(width, isGradient: false), AttentionTilesArguments(inputs: inputs), kernel.output, kernel.logSumExp,
            flaws)
        return AttentionFlaws(tiles: flaws, length: Self.length)
    }

    func launchQueries(_ kernel: AttentionGradient, means: Slice, on queue: CUDAQueue) -> AttentionFlaws {
        let flaws = queue.scratch(.int32, count: tilesOfQueries)
        queue.launch(
            Self.ofQueries[choice][dtype], blocks: tilesOfQueries, threads: 256, sharedByteCount: Self.sharedByteCount(width, isGradient: true),
            AttentionTilesArguments(inputs: inputs), kernel.output, kernel.logSumExp, kernel.outputGradient, means, kernel.gradients.query, flaws)
        return AttentionFlaws(tiles: flaws, length: Self.length)
    }

    func launchKeys(_ kernel: AttentionGradient, means: Slice, on queue: CUDAQueue) -> AttentionFlaws {
        let arguments = AttentionTilesArguments(inputs: inputs)
        let count = inputs.shape.batch * Self.tiles(inputs.shape.queries, of: Self.queriesOfKeys)
        let bounds = queue.scratch(.int32, count: 4 * count)
        let flaws = queue.scratch(.int32, count: tilesOfKeys)
        queue.launch(Self.bounds, blocks: (count + 3) / 4, threads: 128, arguments, bounds)
        queue.launch(
            Self.ofKeys[choice][dtype], blocks: tilesOfKeys, threads: 256, sharedByteCount: Self.sharedByteCount(width, isGradient: true), arguments,
            kernel.logSumExp, kernel.outputGradient, means, bounds, kernel.gradients.key, kernel.gradients.value, flaws)
        return AttentionFlaws(tiles: flaws, length: Self.length)
    }
}

/// `TileInputs` of the kernels.
private struct AttentionTilesArguments: CUDAArgument {
    let inputs: AttentionInputs

    func append(to arguments: inout CUDAArguments) {
        let shape = inputs.shape
        var slopes: Slice?
        if case .slopes(let slice) = inputs.bias { slopes = slice }
        let (window, size) = shape.window.inCUDA
        for slice in [inputs.query, inputs.key, inputs.value, inputs.keyRanges, slopes] { slice.append(to: &arguments) }
        for number in [shape.batch, shape.keyStride, size] { number.append(to: &arguments) }
        let sizes = [shape.queries, shape.keys, shape.heads, shape.groups, shape.headWidth, shape.valueWidth].map { Int32($0) }
        for number in sizes + [window] { number.append(to: &arguments) }
        shape.scale.append(to: &arguments)
    }
}
