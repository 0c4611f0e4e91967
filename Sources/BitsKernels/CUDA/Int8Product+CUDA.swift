// Shapes: M = rows of a, N = rows of the weight, K = columns of both.

extension Int8Product: CUDAKernel {
    private static let function = CUDAFunction("int8_linear", "int8_product")

    func launch(on queue: CUDAQueue) {
        guard output.count > 0 else { return }
        if queue.multiplyByLibrary(a, aStride: k, b, bStride: k, into: output, m: m, n: n, k: k) { return }
        queue.launch(Self.function, blocks: queue.tiles(m, n), threads: 256, overlaps: true, a, k, b, k, output, m, n, k)
    }
}

extension Int8ScaledProduct: CUDAKernel {
    func launch(on queue: CUDAQueue) {
        guard output.count > 0 else { return }
        var list: Slice?
        if let outliers {
            list = queue.listColumns(outliers.columns)
        }
        CUDAInt8Product(
            a: a.codes, aStride: a.columns, aScales: a.scales, b: weight.codes, bStride: a.columns, bScales: weight.scales, bias: bias,
            outlierInput: outliers?.input, outlierColumns: list, output: output, m: a.rows, n: weight.rows, k: a.columns
        ).launch(on: queue)
    }
}

/// A product of codes, rescaled, with the columns of a list multiplied as they are.
struct CUDAInt8Product {
    var a: Slice
    let aStride: Int
    var aScales: Slice
    let b: Slice
    let bStride: Int
    let bScales: Slice
    var bias: Slice?
    var outlierInput: Slice?
    /// How many, then which.
    var outlierColumns: Slice?
    var output: Slice
    var m: Int
    let n: Int
    let k: Int
    private static let tiles = CUDAFunction("int8_linear", "int8_scaled_product")
    private static let rescale = CUDAFunction("int8_linear", "int8_rescale_products")
    private static let fewRows = [CUDAFunction("int8_linear", "int8_rows_8"), CUDAFunction("int8_linear", "int8_rows_16")]
    /// Rows up to which it is worth reading the weight once for 16 of them at a time.
    private static let mostFewRows = 32
    /// `CHUNK` of the kernel that rescales, and rows that leave room beside them.
    private static let (outliersAtOnce, mostRescaledRows) = (16, 384)
    /// Of products that wait to be rescaled.
    private static let mostProducts = 1 << 25

    func launch(on queue: CUDAQueue) {
        if readsFewRows, let block = CUDAInt8RowsBlock(beside: 0, on: queue) {
            for first in stride(from: 0, to: m, by: 16) { rows(first..<min(first + 16, m)).launchFewRows(block, on: queue) }
            return
        }
        if launchLarge(on: queue) { return }
        let rowsAtOnce = min(m, max(Self.mostProducts / n / 128, 1) * 128)
        for first in stride(from: 0, to: m, by: rowsAtOnce) {
            let some = rows(first..<min(first + rowsAtOnce, m))
            if !some.launchByLibrary(on: queue) { some.launchTiles(on: queue) }
        }
    }

    /// The product of some rows of a.
    private func rows(_ rows: Range<Int>) -> CUDAInt8Product {
        if rows.count == m { return self }
        var some = self
        some.m = rows.count
        some.a = a[rows.lowerBound * aStride..<rows.upperBound * aStride]
        some.aScales = aScales[rows]
        some.outlierInput = outlierInput.map { $0[rows.lowerBound * k..<rows.upperBound * k] }
        some.output = output[rows.lowerBound * n..<rows.upperBound * n]
        return some
    }

    private var readsFewRows: Bool {
        m <= Self.mostFewRows && k > 0 && k % 256 == 0 && aStride == k && bStride == k && a.isAligned(to: 16) && b.isAligned(to: 16)
    }

    private func launchFewRows(_ block: CUDAInt8RowsBlock, on queue: CUDAQueue) {
        queue.launch(
            Self.fewRows[m <= 8 ? 0 : 1], blocks: block.count(rows: n, on: queue), threads: block.threads, sharedByteCount: block.sharedByteCount,
            overlaps: true, a, aScales, b, bScales, bias, bias?.dtype.code ?? 0, outlierInput, outlierInput?.dtype.code ?? 0, outlierColumns, output,
            output.dtype.code,
            m, n, k)
    }

    private func launchByLibrary(on queue: CUDAQueue) -> Bool {
        guard queue.isWorthLibrary(m, n, k) else { return false }
        let products = queue.scratch(.int32, count: m * n)
        guard queue.multiplyByLibrary(a, aStride: aStride, b, bStride: bStride, into: products, m: m, n: n, k: k) else { return false }
        // As many rows to a block as let every multiprocessor have three, at most what there is room for.
        let across = (n + 255) / 256
        let blocks = max(3 * queue.properties.multiprocessorCount / across, (m + Self.mostRescaledRows - 1) / Self.mostRescaledRows)
        let rows = ((m + blocks - 1) / blocks + 31) / 32 * 32
        queue.launch(
            Self.rescale, blocks: ((m + rows - 1) / rows) * across, threads: 256, sharedByteCount: Self.outliersAtOnce * (256 + rows) * 4,
            overlaps: true, products, aScales, b, bStride, bScales, bias, bias?.dtype.code ?? 0, outlierInput, outlierInput?.dtype.code ?? 0,
            outlierColumns, output, output.dtype.code, m, n, k, Int32(rows))
        return true
    }

    private func launchTiles(on queue: CUDAQueue) {
        queue.launch(
            Self.tiles, blocks: queue.tiles(m, n), threads: 256, overlaps: true, a, aStride, aScales, b, bStride, bScales, bias,
            bias?.dtype.code ?? 0, outlierInput, outlierInput?.dtype.code ?? 0, outlierColumns, output, output.dtype.code, m, n, k)
    }
}

/// The block of threads that a multiprocessor has for a product of few rows: of as many warps as there is shared memory for.
struct CUDAInt8RowsBlock {
    /// `UNITS_AT` and `WARP_BYTES` of the kernels, and what they declare themselves.
    private static let (sumByteCount, warpByteCount, declaredByteCount) = (8 << 10, 8 << 10, 4 << 10)

    let threads: Int
    let sharedByteCount: Int

    /// Nil where the GPU has no such products, or not the memory for `byteCount` more.
    init?(beside byteCount: Int, on queue: CUDAQueue) {
        func sharedByteCount(_ warps: Int) -> Int { Self.sumByteCount + warps * Self.warpByteCount + byteCount }
        guard queue.properties.computeCapability >= 80,
            let warps = [16, 8].first(where: { sharedByteCount($0) + Self.declaredByteCount <= queue.properties.sharedByteCount })
        else { return nil }
        (threads, self.sharedByteCount) = (32 * warps, sharedByteCount(warps))
    }

    /// How many of them take a weight of so many rows, 16 at a time.
    func count(rows: Int, on queue: CUDAQueue) -> Int { min((rows + 15) / 16, queue.properties.multiprocessorCount) }
}

extension CUDAQueue {
    private static let listColumns = CUDAFunction("int8_linear", "int8_list_columns")

    /// Tiles of 128 by 128.
    fileprivate func tiles(_ m: Int, _ n: Int) -> Int { ((m + 127) / 128) * ((n + 127) / 128) }

    /// The columns that are marked: how many, then which.
    func listColumns(_ marks: Slice) -> Slice {
        let list = scratch(.int32, count: marks.count + 1)
        launch(Self.listColumns, blocks: 1, threads: 256, overlaps: true, marks, list, marks.count)
        return list
    }

    func isWorthLibrary(_ m: Int, _ n: Int, _ k: Int) -> Bool { m * n * k >= 1 << 22 }

    /// The exact product, where it is large and the library computes it.
    fileprivate func multiplyByLibrary(_ a: Slice, aStride: Int, _ b: Slice, bStride: Int, into output: Slice, m: Int, n: Int, k: Int) -> Bool {
        guard isWorthLibrary(m, n, k) else { return false }
        return CUDALibraryProduct(
            a: a, b: b, output: output, m: m, n: n, k: k, transposesB: true, aStride: aStride, bStride: bStride
        ).launch(on: self)
    }
}
