/// Attention of many queries in float32, and its gradients, for operands of any type.
struct AttentionFloats: TiledAttention {
    /// By the width that vectors are stored in.
    private static let widths = [64, 128, 256]
    private static let forward = widths.map { CUDAFunction("attention_floats", "attention_floats_\($0)") }
    private static let ofQueries = widths.map { CUDAFunction("attention_floats", "attention_floats_query_gradient_\($0)") }
    private static let ofKeys = widths.map { CUDAFunction("attention_floats", "attention_floats_key_gradient_\($0)") }
    /// Queries, and keys, of a tile.
    private static let length = 64
    /// With fewer, most of a tile would be empty.
    private static let leastQueries = 16
    /// The gradients' tiles of wider vectors do not fit into shared memory.
    private static let widestGradient = 128

    private let inputs: AttentionInputs
    private let choice: Int

    /// - Parameter tiles: that a block holds at a time.
    private init?(_ inputs: AttentionInputs, widest: Int, tiles: Int, queue: CUDAQueue) {
        let shape = inputs.shape
        let width = max(shape.headWidth, shape.valueWidth)
        guard
            shape.queries >= Self.leastQueries, width <= widest, let choice = Self.widths.firstIndex(where: { width <= $0 }),
            Self.sharedByteCount(Self.widths[choice], tiles: tiles) + 2048 <= queue.properties.sharedByteCount
        else { return nil }
        (self.inputs, self.choice) = (inputs, choice)
    }

    init?(_ kernel: Attention, on queue: CUDAQueue) { self.init(kernel.inputs, widest: 256, tiles: 2, queue: queue) }

    /// Nil where gradients of a bias are wanted.
    init?(_ kernel: AttentionGradient, on queue: CUDAQueue) {
        guard kernel.gradients.byQuery == nil, kernel.gradients.byKey == nil else { return nil }
        self.init(kernel.inputs, widest: Self.widestGradient, tiles: 4, queue: queue)
    }

    /// Shared memory of a block: tiles of vectors, and one of weights, in rows of 16 bytes more.
    private static func sharedByteCount(_ width: Int, tiles: Int) -> Int { 4 * length * (tiles * (width + 4) + length + 4) }

    private func sharedByteCount(tiles: Int) -> Int { Self.sharedByteCount(Self.widths[choice], tiles: tiles) }
    private func flaws(_ tokens: Int, heads: Int, on queue: CUDAQueue) -> AttentionFlaws {
        let tiles = inputs.shape.batch * heads * ((tokens + Self.length - 1) / Self.length)
        return AttentionFlaws(tiles: queue.scratch(.int32, count: tiles), length: Self.length)
    }

    func launch(_ kernel: Attention, on queue: CUDAQueue) -> AttentionFlaws {
        let flaws = flaws(inputs.shape.queries, heads: inputs.shape.heads, on: queue)
        queue.launch(
            Self.forward[choice], blocks: flaws.tiles.count, threads: 256, sharedByteCount: sharedByteCount(tiles: 2), inputs, kernel.output,
            kernel.output.dtype.code, kernel.logSumExp, flaws.tiles)
        return flaws
    }

    func launchQueries(_ kernel: AttentionGradient, means: Slice, on queue: CUDAQueue) -> AttentionFlaws {
        let flaws = flaws(inputs.shape.queries, heads: inputs.shape.heads, on: queue)
        queue.launch(
            Self.ofQueries[choice], blocks: flaws.tiles.count, threads: 256, sharedByteCount: sharedByteCount(tiles: 3), inputs, kernel.output,
            kernel.output.dtype.code, kernel.logSumExp, kernel.outputGradient, kernel.outputGradient.dtype.code, means, kernel.gradients.query,
            kernel.gradients.query.dtype.code, flaws.tiles)
        return flaws
    }

    func launchKeys(_ kernel: AttentionGradient, means: Slice, on queue: CUDAQueue) -> AttentionFlaws {
        let gradients = kernel.gradients
        let flaws = flaws(inputs.shape.keys, heads: inputs.shape.groups, on: queue)
        queue.launch(
            Self.ofKeys[choice], blocks: flaws.tiles.count, threads: 256, sharedByteCount: sharedByteCount(tiles: 4), inputs, kernel.logSumExp,
            kernel.outputGradient, kernel.outputGradient.dtype.code, means, gradients.key, gradients.key.dtype.code, gradients.value,
            gradients.value.dtype.code, flaws.tiles)
        return flaws
    }
}
