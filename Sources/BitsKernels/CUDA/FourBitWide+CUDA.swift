// Shapes: M = rows of the input, N = rows of the weight, K = columns of the weight.

/// Products of up to 64 rows with a 4-bit weight by Hopper's matrix instructions, which read the weight from registers.
struct CUDAFourBitWide {
    /// Up to 16, 32 and 64 rows.
    private static let functions = [16, 32, 64].map { (rows: $0, functions: CUDAFunctions("four_bit_wide", "four_bit_wide_\($0)")) }
    private static let arrange = CUDAFunctions("four_bit_wide", "four_bit_arrange_tokens")
    /// Rows of a weight that a block of threads takes, and elements of k that it takes at a time.
    private static let (rowsOfBlock, unit) = (256, 256)
    /// Everything up to the end of six chunks of 128 elements of the input's rows, which lie behind 128 KB.
    private static func byteCount(rows: Int) -> Int { (128 << 10) + 6 * rows * 256 }

    /// Rows up to which this takes less time than decoding the weight first.
    static let mostRows = 128
    private let weight: FourBitMatrix
    private let precision: ProductPrecision

    /// nil where the kernels do not take the weight.
    init?(_ weight: FourBitMatrix, _ precision: ProductPrecision, on queue: CUDAQueue) {
        guard queue.properties.computeCapability == 90, queue.properties.sharedByteCount >= Self.byteCount(rows: 64), precision != .float32,
            weight.columns > 0, weight.columns % Self.unit == 0, weight.packed.deviceAddress % 16 == 0, weight.blockSize >= 64,
            weight.blockSize.isPowerOfTwo
        else { return nil }
        // Codes are copied by words, of which each has those of a unit or fewer.
        if case .nested(let codes, _, _, _, let size) = weight.scales, size < 4 || !size.isPowerOfTwo || codes.deviceAddress % 4 != 0 { return nil }
        (self.weight, self.precision) = (weight, precision)
    }

    func launch(_ x: Slice, bias: Slice?, into output: Slice, m: Int, on queue: CUDAQueue) {
        let (rows, functions) = Self.functions.first { m <= $0.rows }!
        let arranged = queue.scratch(precision.dtype, count: rows * weight.columns)
        queue.launch(
            Self.arrange[precision.dtype], blocks: (arranged.count / 8 + 255) / 256, threads: 256, overlaps: true, x, x.dtype.code, arranged,
            Int32(rows), Int32(m), weight.columns)
        // Where there are not enough rows of the weight to occupy the device, its columns are shared out too.
        let across = (weight.rows + Self.rowsOfBlock - 1) / Self.rowsOfBlock
        let parts = max(min(queue.properties.multiprocessorCount / across, weight.columns / Self.unit), 1)
        let sums = parts == 1 ? nil : queue.scratch(.float32, count: parts * output.count)
        let (result, ownBias) = (sums ?? output, sums == nil ? bias : nil)
        let scales = weight.scaleParts
        queue.launch(
            functions[precision.dtype], blocks: CUDAGrid(across, parts), threads: 512, sharedByteCount: Self.byteCount(rows: rows), overlaps: true,
            arranged, weight.packed, weight.code, scales.absmax, scales.codes, scales.code, scales.nestedAbsmax, scales.offset,
            Int32(weight.blockSize.trailingZeroBitCount), Int32(scales.blockSize.trailingZeroBitCount), ownBias, ownBias?.dtype.code ?? 0, result,
            result.dtype.code, Int32(m), weight.rows, weight.columns)
        if let sums { queue.addParts(sums, parts, bias: bias, into: output, m: m, n: weight.rows) }
    }
}
