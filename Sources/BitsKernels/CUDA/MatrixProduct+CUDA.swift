extension MatrixProduct: CUDAKernel {
    private static let plain = CUDAFunction("matrix", "matrix_product")
    private static let rowProducts = [1, 2, 4, 8].map { CUDAFunctions("matrix", "row_product_\($0)") }
    private static let tensorRows = [8, 16].map { CUDAFunctions("matrix", "tensor_rows_\($0)") }
    /// By what is transposed: nothing, b, a, both.
    private static let tensorProducts = ["nn", "nt", "tn", "tt"].map { CUDAFunctions("matrix", "tensor_product_\($0)") }
    /// Multiplications from which a call of the library is worth its time.
    private static let leastForLibrary = 1 << 22

    func launch(on queue: CUDAQueue) {
        guard m > 0, n > 0 else { return }
        if launchSeveralRows(on: queue) { return }
        if readsFewRows { return launchFewRows(on: queue) }
        let usesTensorCores = precision != .float32 && queue.properties.computeCapability >= 80
        let usesLibrary = m * n * k >= Self.leastForLibrary && queue.backend.hasLibrary
        guard usesLibrary || usesTensorCores else { return launchPlain(on: queue) }
        let (a, aStride) = operand(self.a, rows: transposesA ? k : m, width: transposesA ? m : k, stride: self.aStride, on: queue)
        let (b, bStride) = operand(self.b, rows: transposesB ? n : k, width: transposesB ? k : n, stride: self.bStride, on: queue)
        let product = CUDALibraryProduct(
            a: a, b: b, output: output, bias: bias, m: m, n: n, k: k, transposesA: transposesA, transposesB: transposesB, aStride: aStride,
            bStride: bStride, accumulates: accumulates)
        if usesLibrary && product.launch(on: queue) { return }
        guard usesTensorCores else { return launchPlain(on: queue) }
        let function = Self.tensorProducts[(transposesA ? 2 : 0) + (transposesB ? 1 : 0)][precision.dtype]
        queue.launch(
            function, blocks: tiles(of: 128), threads: 256, overlaps: true, a, aStride, b, bStride, bias, bias?.dtype.code ?? 0, output,
            output.dtype.code, m, n, k, Int32(accumulates ? 1 : 0))
    }

    private func tiles(of side: Int) -> Int { ((m + side - 1) / side) * ((n + side - 1) / side) }

    /// The operand in the product's type: as it is, or converted.
    private func operand(_ slice: Slice, rows: Int, width: Int, stride: Int, on queue: CUDAQueue) -> (Slice, stride: Int) {
        if slice.dtype == precision.dtype { return (slice, stride) }
        let converted = queue.scratch(precision.dtype, count: rows * width)
        queue.convert(slice, rows: rows, width: width, stride: stride, to: converted)
        return (converted, width)
    }

    private func launchPlain(on queue: CUDAQueue) {
        queue.launch(
            Self.plain, blocks: tiles(of: 64), threads: 256, overlaps: true, a, a.dtype.code, aStride, Int32(transposesA ? 1 : 0), b, b.dtype.code,
            bStride, Int32(transposesB ? 1 : 0), bias, bias?.dtype.code ?? 0, output, output.dtype.code, m, n, k, Int32(accumulates ? 1 : 0),
            precision.rawValue)
    }

    /// Whether the time goes into reading b, a row at a time: then it is read once, for all of few rows of a.
    private var readsFewRows: Bool {
        m <= 8 && k > 0 && !transposesA && transposesB && (precision == .float32 || b.dtype == precision.dtype)
    }

    /// From 5 rows on it is the tensor cores that keep pace with the memory.
    ///
    /// - Returns: whether the operands are such.
    private func launchSeveralRows(on queue: CUDAQueue) -> Bool {
        guard m > 4, m <= 16, k > 0, k % 128 == 0, !transposesA, transposesB, precision != .float32, b.dtype == precision.dtype,
            b.isAligned(to: 16), bStride % 8 == 0, queue.properties.computeCapability >= 80
        else { return false }
        var (a, aStride) = (self.a, self.aStride)
        if a.dtype != precision.dtype || a.deviceAddress % 16 != 0 || aStride % 8 != 0 {
            a = queue.scratch(precision.dtype, count: m * k)
            queue.convert(self.a, rows: m, width: k, stride: aStride, to: a)
            aStride = k
        }
        queue.launch(
            Self.tensorRows[m <= 8 ? 0 : 1][precision.dtype], blocks: min((n + 15) / 16, 2 * queue.properties.multiprocessorCount), threads: 256,
            overlaps: true, a, aStride, b, bStride, bias, bias?.dtype.code ?? 0, output, output.dtype.code, m, n, k, Int32(accumulates ? 1 : 0))
        return true
    }

    private func launchFewRows(on queue: CUDAQueue) {
        let rowsOfWarp = m <= 4 ? 4 : 2
        let warps = (n + rowsOfWarp - 1) / rowsOfWarp
        // Where there are not enough rows to keep the memory busy, the warps of a block share them.
        var parts = 1
        while parts < 8 && warps * parts < 16 * queue.properties.multiprocessorCount { parts *= 2 }
        let function = Self.rowProducts[m == 1 ? 0 : m == 2 ? 1 : m <= 4 ? 2 : 3][b.dtype]
        queue.launch(
            function, blocks: (warps * parts + 7) / 8, threads: 256, overlaps: true, a, a.dtype.code, aStride, b, bStride, bias,
            bias?.dtype.code ?? 0, output, output.dtype.code, m, n, k, Int32(accumulates ? 1 : 0), precision.rawValue, Int32(parts))
    }
}

extension ScaledProduct: CUDAKernel {
    /// By whether b is transposed, for up to 16 and 32 columns.
    private static let narrow = ["nn", "nt"].map { layout in [2, 4].map { CUDAFunctions("matrix", "narrow_\(layout)_\($0)") } }
    /// Rows of a block of `multiply_narrow`, and elements of k that a warp takes at a time.
    private static let (rowsOfBlock, turn) = (32, 32)

    func launch(on queue: CUDAQueue) {
        if launchNarrow(on: queue) { return }
        let (product, scaling) = steps { queue.scratch(.float32, count: m * n) }
        product.launch(on: queue)
        scaling?.launch(on: queue)
    }

    /// - Returns: whether there are blocks of rows for half of the multiprocessors or more, and the operands are such.
    private func launchNarrow(on queue: CUDAQueue) -> Bool {
        let blocks = (m + Self.rowsOfBlock - 1) / Self.rowsOfBlock
        guard (1...32).contains(n), 2 * blocks >= queue.properties.multiprocessorCount, k > 0, k % Self.turn == 0, precision != .float32,
            [a.dtype, output.dtype] == [precision.dtype, precision.dtype], b.dtype == .float32, a.isAligned(to: 16), b.isAligned(to: 16),
            queue.properties.computeCapability >= 80
        else { return false }
        let function = Self.narrow[transposesB ? 1 : 0][n <= 16 ? 0 : 1][precision.dtype]
        queue.launch(function, blocks: blocks, threads: 512, overlaps: true, scale, a, b, output, m, Int32(n), k)
        return true
    }
}

extension CUDAQueue {
    private static let conversions = CUDAFunctions("matrix", "convert_rows")

    /// Rows of `slice`, `stride` elements apart, as rows of the type of `output`, which leaves no gaps.
    func convert(_ slice: Slice, rows: Int, width: Int, stride: Int, to output: Slice) {
        let isOneRow = stride == width
        let (rows, width) = isOneRow ? (1, rows * width) : (rows, width)
        let blocks = CUDAGrid(min((width + 2047) / 2048, 16 * properties.multiprocessorCount), min(rows, 65_535))
        launch(Self.conversions[output.dtype], blocks: blocks, threads: 256, overlaps: true, slice, slice.dtype.code, stride, output, rows, width)
    }
}
