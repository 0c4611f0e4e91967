/// Attention of many queries in 16 bits, and its gradients, by matrix instructions, which round probabilities to that type.
struct AttentionTiles: TiledAttention {
    private static let bounds = CUDAFunction("attention_tiles", "attention_tile_bounds")
    /// Queries of a tile, and keys of one whose gradients are computed.
    private static let length = 128
    /// Queries of the tiles that gradients of keys are computed from.
    private static let queriesOfKeys = 64

    private let inputs: AttentionInputs
    private let kernels: AttentionTileKernels
    private let dtype: DType

    /// Nil where there are no kernels for `inputs`, or for what else they read and write.
    private init?(_ inputs: AttentionInputs, others: [Slice], isGradient: Bool, queue: CUDAQueue) {
        let shape = inputs.shape
        let slices = [inputs.query, inputs.key, inputs.value] + others
        if case .relative = inputs.bias { return nil }
        guard
            inputs.query.dtype != .float32, shape.scale > 0, shape.queries > AttentionDecoding.mostQueries, shape.keys > 0,
            slices.allSatisfy({ $0.dtype == inputs.query.dtype && $0.isAligned(to: 16) }),
            [shape.headWidth, shape.valueWidth].allSatisfy({ $0 > 0 && $0 % 8 == 0 }),
            let kernels = AttentionTileKernels.suiting(
                width: max(shape.headWidth, shape.valueWidth), isGradient: isGradient, isCapped: shape.cap != nil, properties: queue.properties)
        else { return nil }
        (self.inputs, self.kernels, dtype) = (inputs, kernels, inputs.query.dtype)
    }

    init?(_ kernel: Attention, on queue: CUDAQueue) { self.init(kernel.inputs, others: [kernel.output], isGradient: false, queue: queue) }

    init?(_ kernel: AttentionGradient, on queue: CUDAQueue) {
        let gradients = kernel.gradients
        self.init(
            kernel.inputs, others: [kernel.output, kernel.outputGradient, gradients.query, gradients.key, gradients.value], isGradient: true,
            queue: queue)
    }

    private var tilesOfQueries: Int { inputs.shape.batch * inputs.shape.heads * Self.tiles(inputs.shape.queries, of: Self.length) }
    private var tilesOfKeys: Int { inputs.shape.batch * inputs.shape.groups * Self.tiles(inputs.shape.keys, of: Self.length) }

    private static func tiles(_ count: Int, of length: Int) -> Int { (count + length - 1) / length }

    func launch(_ kernel: Attention, on queue: CUDAQueue) -> AttentionFlaws {
        let flaws = queue.scratch(.int32, count: tilesOfQueries)
        queue.launch(
            kernels.forward.functions[dtype], blocks: kernels.forward.blocks(for: tilesOfQueries, on: queue), threads: kernels.forward.threads,
            sharedByteCount: kernels.forward.sharedByteCount, AttentionTilesArguments(inputs: inputs), kernel.output, kernel.logSumExp, flaws)
        return AttentionFlaws(tiles: flaws, length: Self.length)
    }

    func launchQueries(_ kernel: AttentionGradient, means: Slice, on queue: CUDAQueue) -> AttentionFlaws {
        let flaws = queue.scratch(.int32, count: tilesOfQueries)
        queue.launch(
            kernels.ofQueries.functions[dtype], blocks: kernels.ofQueries.blocks(for: tilesOfQueries, on: queue), threads: kernels.ofQueries.threads,
            sharedByteCount: kernels.ofQueries.sharedByteCount, AttentionTilesArguments(inputs: inputs), kernel.output, kernel.logSumExp,
            kernel.outputGradient, means, kernel.gradients.query, flaws)
        return AttentionFlaws(tiles: flaws, length: Self.length)
    }

    func launchKeys(_ kernel: AttentionGradient, means: Slice, on queue: CUDAQueue) -> AttentionFlaws {
        let arguments = AttentionTilesArguments(inputs: inputs)
        let count = inputs.shape.batch * Self.tiles(inputs.shape.queries, of: Self.queriesOfKeys)
        let bounds = queue.scratch(.int32, count: 4 * count)
        let flaws = queue.scratch(.int32, count: tilesOfKeys)
        queue.launch(Self.bounds, blocks: (count + 3) / 4, threads: 128, arguments, bounds)
        queue.launch(
            kernels.ofKeys.functions[dtype], blocks: tilesOfKeys, threads: kernels.ofKeys.threads, sharedByteCount: kernels.ofKeys.sharedByteCount,
            arguments, kernel.logSumExp, kernel.outputGradient, means, bounds, kernel.gradients.key, kernel.gradients.value, flaws)
        return AttentionFlaws(tiles: flaws, length: Self.length)
    }
}

/// The kernels for vectors up to a width.
private struct AttentionTileKernels: Sendable {
    struct Kernel: Sendable {
        let functions: CUDAFunctions
        let threads: Int
        let sharedByteCount: Int
        /// Whether a block of threads computes several tiles, one after the other.
        var takesTurns = false

        func blocks(for tiles: Int, on queue: CUDAQueue) -> Int { takesTurns ? min(tiles, queue.properties.multiprocessorCount) : tiles }
    }

    let width: Int
    /// Whether they are made of compute capability 9.0's own instructions.
    let isHopper: Bool
    /// Whether there are kernels of gradients: sums of wider vectors do not fit into registers.
    let hasGradients: Bool
    let forward: Kernel
    let ofQueries: Kernel
    let ofKeys: Kernel

    /// The faster ones first.
    private static let all = [64, 128].map(hopper) + [64, 96, 128, 256].map(ampere)

    /// - Parameter isCapped: whether scores are bounded, which only one of the kernels knows.
    static func suiting(width: Int, isGradient: Bool, isCapped: Bool, properties: CUDAProperties) -> AttentionTileKernels? {
        all.first { kernels in
            let needed = isGradient ? [kernels.ofQueries, kernels.ofKeys] : [kernels.forward]
            return width <= kernels.width && (kernels.isHopper ? properties.computeCapability == 90 : properties.computeCapability >= 80)
                && (kernels.hasGradients || !isGradient) && !(isCapped && (isGradient || kernels.isHopper))
                && needed.allSatisfy { $0.sharedByteCount <= properties.sharedByteCount }
        }
    }

    /// Tiles of 128 vectors in rows of 16 bytes more, two of them or four for gradients; and numbers for the rows.
    private static func ampere(width: Int) -> AttentionTileKernels {
        func kernel(_ name: String, threads: Int, tiles: Int) -> Kernel {
            Kernel(
                functions: CUDAFunctions("attention_tiles", "attention_tiles\(name)_\(width)"), threads: threads,
                sharedByteCount: tiles * 128 * 2 * (width + 8) + 2048)
        }
        return AttentionTileKernels(
            width: width, isHopper: false, hasGradients: width <= 128, forward: kernel("", threads: width > 128 ? 256 : 128, tiles: 2),
            ofQueries: kernel("_query_gradient", threads: 256, tiles: 4), ofKeys: kernel("_key_gradient", threads: 256, tiles: 4))
    }

    /// Tiles of 128 vectors at multiples of 1024 bytes; and numbers for the rows.
    private static func hopper(width: Int) -> AttentionTileKernels {
        func kernel(_ name: String, tiles: Int, takesTurns: Bool = false) -> Kernel {
            Kernel(
                functions: CUDAFunctions("attention_hopper", "attention_hopper\(name)_\(width)"), threads: 384,
                sharedByteCount: tiles * 128 * 2 * width + 1024 + 4096, takesTurns: takesTurns)
        }
        return AttentionTileKernels(
            width: width, isHopper: true, hasGradients: true, forward: kernel("", tiles: 6, takesTurns: true),
            ofQueries: kernel("_query_gradient", tiles: 6), ofKeys: kernel("_key_gradient", tiles: 4))
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
        for number in [shape.scale, shape.cap ?? 0] { number.append(to: &arguments) }
    }
}
