/// Attention of few queries against many keys: split between blocks along the keys, as generation needs it.
struct AttentionDecoding: CUDALaunching {
    private static let rowsOfOutput = CUDAFunction("attention_decode", "attention_decode_rows")
    /// By the lanes that read a vector, 8 elements each, and by the rows of a block.
    private static let functions = functions("attention_decode")
    private static let keepingFunctions = functions("attention_decode_keeping")
    private static func functions(_ name: String) -> [[CUDAFunctions]] {
        [8, 16, 32].map { lanes in [1, 2, 4].map { CUDAFunctions("attention_decode", "\(name)_\(lanes)x\($0)") } }
    }
    /// More are cheaper in tiles.
    static let mostQueries = 32
    private static let mostChunks = 64
    /// Blocks that a cluster may have on every device that knows them.
    private static let mostOfCluster = 8

    private let kernel: Attention
    /// Up to so many sequences turning and keeping in the blocks of attention takes less than a launch of its own.
    private static let mostKept = 8
    /// What is to be done first in the same launch.
    private var keeping: CUDARotaryIntoCache?

    /// Nil where the kernels do not take it.
    init?(_ kernel: Attention) {
        let (inputs, shape) = (kernel.inputs, kernel.inputs.shape)
        if case .relative = inputs.bias { return nil }
        let widths = [shape.headWidth, shape.valueWidth]
        guard
            shape.queries <= AttentionDecoding.mostQueries, inputs.key.dtype == inputs.value.dtype,
            widths.allSatisfy({ $0 > 0 && $0 % 8 == 0 && $0 <= 256 }), inputs.key.isAligned(to: 16), inputs.value.isAligned(to: 16)
        else { return nil }
        self.kernel = kernel
    }

    /// Attention of one token of each sequence to a cache, behind what turns its query and key and keeps its key and value: blocks do that for their own rows.
    ///
    /// Nil where the two do not belong together, sequences are many, or one block would write what another still reads: the output alone may take the
    /// place of the queries, of which a row is read by the blocks that compute it.
    init?(_ kernel: Attention, keeping: CUDARotaryIntoCache) {
        self.init(kernel)
        let (inputs, shape, query, key, write) = (kernel.inputs, kernel.inputs.shape, keeping.query, keeping.key, keeping.write)
        guard inputs.query.isSame(as: query.output), inputs.key.isSame(as: write.keyCache), inputs.value.isSame(as: write.valueCache),
            shape.queries == 1, shape.batch <= Self.mostKept, shape.batch == query.tokens, write.sequences == query.tokens,
            shape.keyStride == write.capacity,
            shape.heads == query.heads, shape.groups == key.heads, shape.headWidth == query.headWidth, shape.valueWidth == shape.headWidth
        else { return nil }
        let read = [key.input, write.value, query.cosine, query.sine, write.positions, inputs.keyRanges]
        let written = [query.output, key.output, write.keyCache, write.valueCache]
        func meets(_ slice: Slice, _ others: [Slice]) -> Bool { others.contains { $0.addresses.overlaps(slice.addresses) } }
        let results = [kernel.output] + [kernel.logSumExp].compactMap { $0 }
        guard !written.contains(where: { meets($0, read + [query.input]) }), !results.contains(where: { meets($0, read + written) }),
            kernel.output.isSame(as: query.input) || !meets(kernel.output, [query.input]),
            !(kernel.logSumExp.map { meets($0, [query.input]) } ?? false)
        else { return nil }
        self.keeping = keeping
    }

    func launch(on queue: CUDAQueue) {
        let (inputs, shape) = (kernel.inputs, kernel.inputs.shape)
        let width = max(shape.headWidth, shape.valueWidth)
        let lanesChoice = width <= 64 ? 0 : width <= 128 ? 1 : 2
        // A multiple of what a block reads at once.
        var chunk = 64
        while chunk * AttentionDecoding.mostChunks < shape.keys { chunk *= 2 }
        let chunks = max((shape.keys + chunk - 1) / chunk, 1)
        let rows = shape.heads / shape.groups * shape.queries
        // Each block reads the keys that its rows see: more rows share them, where there are blocks enough to keep the device busy.
        func blocks(_ rowsOfBlock: Int) -> Int { chunks * ((rows + rowsOfBlock - 1) / rowsOfBlock) * shape.groups * shape.batch }
        let rowsChoice = (0..<2).first { rows <= 1 << $0 || blocks(1 << $0) <= 2 * queue.properties.multiprocessorCount } ?? 2
        let isCluster = chunks <= AttentionDecoding.mostOfCluster && queue.properties.computeCapability >= 90
        let sums = isCluster ? nil : queue.scratch(.float32, count: shape.rows * chunks * (shape.valueWidth + 2))
        let arguments = AttentionDecodingArguments(inputs: inputs, sums: sums, chunk: chunk, chunks: chunks, keeping: keeping)
        queue.launch(
            (keeping == nil ? Self.functions : Self.keepingFunctions)[lanesChoice][rowsChoice][inputs.key.dtype],
            blocks: blocks(1 << rowsChoice), threads: 256, cluster: isCluster ? chunks : 1, overlaps: true, arguments, kernel.output,
            kernel.output.dtype.code, kernel.logSumExp)
        if isCluster { return }
        queue.launch(
            Self.rowsOfOutput, blocks: shape.rows, threads: 128, overlaps: true, arguments, kernel.output, kernel.output.dtype.code, kernel.logSumExp)
    }
}

/// `DecodeInputs` of the kernels.
private struct AttentionDecodingArguments: CUDAArgument {
    let inputs: AttentionInputs
    /// One number for each row and chunk, another, and a vector; nil where the blocks of a cluster have them.
    let sums: Slice?
    let chunk: Int
    let chunks: Int
    let keeping: CUDARotaryIntoCache?

    func append(to arguments: inout CUDAArguments) {
        let shape = inputs.shape
        var slopes: Slice?
        if case .slopes(let slice) = inputs.bias { slopes = slice }
        let parts = shape.rows * chunks
        let (window, size) = shape.window.inCUDA
        for slice in [keeping?.query.input ?? inputs.query, inputs.key, inputs.value, inputs.keyRanges, slopes] { slice.append(to: &arguments) }
        for range in [0..<parts, parts..<2 * parts, 2 * parts..<(sums?.count ?? 2 * parts)] { (sums?[range]).append(to: &arguments) }
        for number in [shape.batch, shape.keyStride, size] { number.append(to: &arguments) }
        let sizes = [shape.queries, shape.keys, shape.heads, shape.groups, shape.headWidth, shape.valueWidth].map { Int32($0) }
        for number in [inputs.query.dtype.code] + sizes + [window, Int32(chunk), Int32(chunks)] { number.append(to: &arguments) }
        shape.scale.append(to: &arguments)
        Int32(sums == nil ? 1 : 0).append(to: &arguments)
        (shape.cap ?? 0).append(to: &arguments)
        Int32(0).append(to: &arguments)
        let (query, key, write) = (keeping?.query, keeping?.key, keeping?.write)
        for slice in [key?.input, write?.value, query?.cosine, query?.sine, write?.positions, query?.output, key?.output] {
            slice.append(to: &arguments)
        }
        (query?.rows ?? 0).append(to: &arguments)
    }
}
