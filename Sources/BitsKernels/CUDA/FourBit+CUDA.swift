extension QuantizeFourBit: CUDAKernel {
    private static let runs = [
        FourBitFormat.nf4: CUDAFunctions("four_bit", "quantize_nf4_runs"), .fp4: CUDAFunctions("four_bit", "quantize_fp4_runs"),
    ]
    private static let blocks = [
        FourBitFormat.nf4: CUDAFunctions("four_bit", "quantize_nf4"), .fp4: CUDAFunctions("four_bit", "quantize_fp4"),
    ]

    func launch(on queue: CUDAQueue) {
        if let nonFiniteCount { queue.clear(nonFiniteCount) }
        if blockSize.isShortRun {
            queue.launch(
                Self.runs[format]![input.dtype], blocks: queue.blocks(for: input.count, each: 16 * 1024, perMultiprocessor: 20), threads: 512, input,
                packed, absmax, nonFiniteCount, input.count, Int32(blockSize))
        } else {
            let team = BlockTeam(blockSize)
            queue.launch(
                Self.blocks[format]![input.dtype], blocks: queue.blocks(for: absmax.count, each: team.perBlock, perMultiprocessor: 32), threads: 256,
                input, packed, absmax, nonFiniteCount, input.count, blockSize, team.isWide)
        }
    }
}

extension DequantizeFourBit: CUDAKernel {
    private static let runs = CUDAFunctions("four_bit", "dequantize_four_bit_runs")
    private static let elements = CUDAFunctions("four_bit", "dequantize_four_bit")
    /// Of `fill_tables`: both numbers of each byte for 16 lanes, and the code of nested scales.
    fileprivate static let sharedByteCount = 256 * 16 * 8 + 1024

    func launch(on queue: CUDAQueue) {
        let parts = matrix.scaleParts
        let sizes = [matrix.blockSize, parts.blockSize]
        var done = 0
        if matrix.blockSize >= 8, sizes.allSatisfy(\.isPowerOfTwo), matrix.packed.isAligned(to: 4), output.isAligned(to: 16) {
            done = output.count & ~7
            queue.launch(
                Self.runs[output.dtype], blocks: queue.blocks(for: done, each: 16 * 1024, perMultiprocessor: 2), threads: 512,
                sharedByteCount: Self.sharedByteCount, matrix.packed, matrix.code, parts.absmax, parts.codes, parts.code,
                parts.nestedAbsmax, parts.offset, output, done, Int32(sizes[0].trailingZeroBitCount), Int32(sizes[1].trailingZeroBitCount))
        }
        queue.launch(
            Self.elements[output.dtype], blocks: queue.blocks(for: output.count - done, each: 256, perMultiprocessor: 32), threads: 256,
            matrix.packed, matrix.code, parts.absmax, parts.codes, parts.code, parts.nestedAbsmax, parts.offset, output, done,
            output.count, sizes[0], sizes[1])
    }
}

extension FourBitMatrix {
    private static let updated = [16, 32, 64].map { (rank: $0, functions: CUDAFunctions("four_bit", "dequantize_four_bit_updated_\($0 / 16)")) }
    /// Columns that a warp takes, and rows at a time.
    private static let (strip, stripRows) = (64, 16)

    /// The sum with an update in scratch memory; nil where no function makes it.
    func dequantized(with update: LowRankUpdate, to dtype: DType, on queue: CUDAQueue) -> Slice? {
        let parts = scaleParts
        guard let (rank, functions) = Self.updated.first(where: { update.rank <= $0.rank }), dtype != .float32, update.rank > 0,
            queue.properties.computeCapability >= 80, rows > 0, columns > 0, columns % Self.strip == 0, blockSize >= Self.strip,
            blockSize.isPowerOfTwo, parts.blockSize.isPowerOfTwo, packed.isAligned(to: 4)
        else { return nil }
        let values = queue.scratch(dtype, count: rows * columns)
        let (threads, across) = (512, (columns / Self.strip + 15) / 16)
        // Registers for a larger part of `down` leave room for one block alone.
        let blocks = queue.properties.multiprocessorCount * (rank == 16 ? 2 : 1)
        queue.launch(
            functions[dtype], blocks: CUDAGrid(across, min(max(blocks / across, 1), (rows + Self.stripRows - 1) / Self.stripRows)), threads: threads,
            sharedByteCount: DequantizeFourBit.sharedByteCount, packed, code, parts.absmax, parts.codes, parts.code, parts.nestedAbsmax,
            parts.offset, queue.floats(update.down), queue.floats(update.up), update.scale, Int32(update.rank), values, rows, columns,
            Int32(blockSize.trailingZeroBitCount), Int32(parts.blockSize.trailingZeroBitCount))
        return values
    }
}

extension CUDAQueue {
    /// The slice as float32: as it is, or converted.
    fileprivate func floats(_ slice: Slice) -> Slice {
        if slice.dtype == .float32 { return slice }
        let floats = scratch(.float32, count: slice.count)
        convert(slice, rows: 1, width: slice.count, stride: slice.count, to: floats)
        return floats
    }
}

extension GatherFourBit: CUDAKernel {
    private static let rows = CUDAFunctions("four_bit", "gather_four_bit")

    func launch(on queue: CUDAQueue) {
        let parts = matrix.scaleParts
        queue.launch(
            Self.rows[output.dtype], blocks: CUDAGrid(rows: indices.count, columns: matrix.columns), threads: 256, matrix.packed, matrix.code,
            parts.absmax, parts.codes, parts.code, parts.nestedAbsmax, parts.offset, indices, indices.dtype.code, indices.count,
            matrix.rows, matrix.columns, matrix.blockSize, parts.blockSize, output)
    }
}

extension CUDAGrid {
    /// Threads by 256 along the columns of a matrix, and a row, or some, to each place along the y axis.
    init(rows: Int, columns: Int) { self.init(min((columns + 255) / 256, 1 << 20), min(rows, 65_535)) }
}
