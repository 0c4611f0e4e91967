// Shapes: M = rows of the input, N = rows of a weight, K = columns of a weight.

/// Products of one input of more rows than ``CUDAFourBitFewRows`` takes with 4-bit weights, by Hopper's matrix instructions, which read the weights from
/// registers; the input is arranged once for all of them.
struct CUDAFourBitWide: CUDALaunching {
    /// Up to 16, 32 and 64 rows.
    private static let functions = [16, 32, 64].map { (rows: $0, functions: CUDAFunctions("four_bit_wide", "four_bit_wide_\($0)")) }
    private static let arrange = CUDAFunctions("four_bit_wide", "four_bit_arrange_tokens")
    /// Rows of a weight that a block of threads takes, and elements of k that it takes at a time.
    private static let (rowsOfBlock, unit) = (256, 256)
    /// Everything up to the end of six chunks of 128 elements of the input's rows, which lie behind 128 KB.
    private static func byteCount(rows: Int) -> Int { (128 << 10) + 6 * rows * 256 }

    /// Rows up to which this takes less time than decoding the weight first; 64 of them at a time.
    static let mostRows = 128
    private static let rowsAtOnce = 64

    private(set) var products: [FourBitLinear]
    /// Whether nothing that is still to run before the launches writes the weights.
    var isConstant = false

    /// nil where the kernels do not take the weight, or the input has other numbers of rows.
    init?(_ product: FourBitLinear, on queue: CUDAQueue) {
        guard (9...Self.mostRows).contains(product.m), product.update == nil, Self.takes(product.weight, product.precision, on: queue) else {
            return nil
        }
        products = [product]
    }

    static func takes(_ weight: FourBitMatrix, _ precision: ProductPrecision, on queue: CUDAQueue) -> Bool {
        guard queue.properties.computeCapability == 90, queue.properties.sharedByteCount >= byteCount(rows: rowsAtOnce), precision != .float32,
            (1...rowsOfBlock * 65535).contains(weight.rows), weight.columns > 0, weight.columns % unit == 0, weight.packed.isAligned(to: 16),
            weight.blockSize >= 64,
            weight.blockSize.isPowerOfTwo
        else { return false }
        // Codes are copied by words, of which each has those of a unit or fewer.
        guard case .nested(let codes, _, _, _, let size) = weight.scales else { return true }
        return size >= 4 && size.isPowerOfTwo && codes.isAligned(to: 4)
    }

    /// Takes another product of the same input.
    ///
    /// - Returns: whether that is possible.
    mutating func add(_ product: FourBitLinear, on queue: CUDAQueue) -> Bool {
        guard product.update == nil, product.input.isSame(as: products[0].input), product.precision == products[0].precision,
            product.weight.columns == products[0].weight.columns, Self.takes(product.weight, product.precision, on: queue)
        else { return false }
        products.append(product)
        return true
    }

    func launch(on queue: CUDAQueue) {
        let (first, columns) = (products[0], products[0].weight.columns)
        for start in stride(from: 0, to: first.m, by: Self.rowsAtOnce) {
            let some = start..<min(start + Self.rowsAtOnce, first.m)
            let (rows, functions) = Self.functions.first { some.count <= $0.rows }!
            let (x, dtype) = (first.input.block(some, of: columns), first.precision.dtype)
            let arranged = queue.scratch(dtype, count: rows * columns)
            queue.launch(
                Self.arrange[dtype], blocks: (arranged.count / 8 + 255) / 256, threads: 256, overlaps: true, x, x.dtype.code, arranged, Int32(rows),
                Int32(some.count), columns)
            for product in products {
                product.launchWide(functions[dtype], arranged, of: some, byteCount: Self.byteCount(rows: rows), isConstant, on: queue)
            }
        }
    }

    /// Blocks of threads along the rows of a weight. Where they are too few to occupy the device, its columns are shared out too: parts of them.
    fileprivate static func blocks(of weight: FourBitMatrix, on queue: CUDAQueue) -> (across: Int, parts: Int) {
        let across = (weight.rows + rowsOfBlock - 1) / rowsOfBlock
        return (across, max(min(queue.properties.multiprocessorCount / across, weight.columns / unit), 1))
    }
}

extension FourBitLinear {
    /// The product of some rows that have been arranged.
    fileprivate func launchWide(
        _ function: CUDAFunction, _ arranged: Slice, of some: Range<Int>, byteCount: Int, _ isConstant: Bool, on queue: CUDAQueue
    ) {
        let (across, parts) = CUDAFourBitWide.blocks(of: weight, on: queue)
        let output = output.block(some, of: weight.rows)
        // Two blocks add up what they have themselves; larger clusters do not all find room on the GPU at once.
        let cluster = parts == 2 ? 2 : 1
        let sums = parts == cluster ? nil : queue.scratch(.float32, count: parts * output.count)
        let (result, ownBias) = (sums ?? output, sums == nil ? bias : nil)
        let scales = weight.scaleParts
        queue.launch(
            function, blocks: CUDAGrid(parts, across), threads: 512, sharedByteCount: byteCount, cluster: cluster, overlaps: true,
            arranged, weight.packed, weight.code, scales.absmax, scales.codes, scales.code, scales.nestedAbsmax, scales.offset,
            Int32(weight.blockSize.trailingZeroBitCount), Int32(scales.blockSize.trailingZeroBitCount), ownBias, ownBias?.dtype.code ?? 0, result,
            result.dtype.code, Int32(some.count), weight.rows, weight.columns, Int32(isConstant ? 1 : 0))
        if let sums { queue.addParts(sums, parts, bias: bias, into: output, m: some.count, n: weight.rows) }
    }
}
