extension QuantizeBlockwise: CUDAKernel {
    private static let runs = CUDAFunctions("blockwise", "quantize_blockwise_runs")
    private static let long = CUDAFunctions("blockwise", "quantize_blockwise_long")
    private static let blocks = CUDAFunctions("blockwise", "quantize_blockwise")

    func launch(on queue: CUDAQueue) {
        if let nonFiniteCount { queue.clear(nonFiniteCount) }
        guard input.count > 0 else { return }
        let table = queue.codeTables([CodeTableRequest(codebook)])
        if order == nil, offset == nil || input.dtype == .float32, blockSize.isShortRun {
            return queue.launch(
                Self.runs[input.dtype], blocks: queue.blocks(for: input.count, each: 16 * 1024, perMultiprocessor: 20), threads: 512, input, offset,
                table, codes, absmax, nonFiniteCount, input.count, Int32(blockSize))
        }
        var done = 0
        if order == nil, offset == nil, blockSize >= 512, blockSize % 8 == 0, input.isAligned(to: 16), codes.isAligned(to: 8) {
            done = input.count / blockSize
            queue.launch(
                Self.long[input.dtype], blocks: queue.blocks(for: done, perMultiprocessor: 16), threads: min(blockSize / 256 * 32, 512), input,
                table, codes, absmax, nonFiniteCount, done, blockSize)
        }
        let team = BlockTeam(blockSize)
        let rest = done * blockSize..<input.count
        queue.launch(
            Self.blocks[input.dtype], blocks: queue.blocks(for: absmax.count - done, each: team.perBlock, perMultiprocessor: 32), threads: 256,
            input[rest], offset, table, order, codes[rest], absmax[done..<absmax.count], nonFiniteCount, rest.count, blockSize, team.isWide)
    }
}

extension DequantizeBlockwise: CUDAKernel {
    private static let runs = CUDAFunctions("blockwise", "dequantize_blockwise_runs")
    private static let elements = CUDAFunctions("blockwise", "dequantize_blockwise")

    func launch(on queue: CUDAQueue) {
        var done = 0
        if blockSize >= 8, blockSize.isPowerOfTwo, codes.isAligned(to: 8), output.isAligned(to: 16) {
            done = codes.count & ~7
            queue.launch(
                Self.runs[output.dtype], blocks: queue.blocks(for: done, each: 16 * 1024, perMultiprocessor: 2), threads: 512, codes, codebook,
                absmax, offset, output, done, Int32(blockSize.trailingZeroBitCount))
        }
        queue.launch(
            Self.elements[output.dtype], blocks: queue.blocks(for: codes.count - done, each: 256, perMultiprocessor: 32), threads: 256, codes,
            codebook, absmax, offset, output, done, codes.count, blockSize)
    }
}

extension MeanInDouble: CUDAKernel {
    private static let strandSums = CUDAFunction("blockwise", "mean_strands")
    private static let joined = CUDAFunction("blockwise", "mean_of_strands")

    func launch(on queue: CUDAQueue) {
        let sums = queue.scratch(.int64, count: MeanInDouble.strands)
        queue.launch(Self.strandSums, blocks: MeanInDouble.strands / 32, threads: 256, input, input.count, sums)
        queue.launch(Self.joined, blocks: 1, threads: MeanInDouble.strands / 2, sums, input.count, mean)
    }
}

extension Int {
    /// Whether blocks of this size are whole numbers of lanes of eight elements, and a warp holds whole blocks.
    var isShortRun: Bool { self >= 8 && self <= 256 && isPowerOfTwo }
}

/// Who quantizes one block of elements: a warp, or all 256 threads where it is large.
struct BlockTeam {
    let isWide: Int32
    /// Blocks of elements to a block of threads.
    let perBlock: Int

    init(_ blockSize: Int) { (isWide, perBlock) = blockSize > 1024 ? (1, 1) : (0, 8) }
}
