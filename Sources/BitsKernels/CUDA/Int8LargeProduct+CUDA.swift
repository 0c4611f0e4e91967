// Shapes: M = rows of a, N = rows of the weight, K = columns of both.

extension CUDAInt8Product {
    /// Queues the product by compute capability 9.0's own matrix instructions, in one launch that rescales what it stores,
    /// and one before that collects outlier columns.
    ///
    /// - Returns: whether the operands are such, and the product is large enough to keep the multiprocessors busy; else nothing was queued.
    func launchLarge(on queue: CUDAQueue) -> Bool {
        guard queue.properties.computeCapability == 90, queue.isWorthLibrary(m, n, k), max(m, n, k) <= Int32.max, k % 16 == 0, aStride % 16 == 0,
            bStride % 16 == 0, a.isAligned(to: 16), b.isAligned(to: 16), let tiles = CUDAInt8Tiles(m, n, on: queue),
            let aMap = queue.backend.tensorMap(of: a, rows: m, columns: k, stride: aStride, boxRows: CUDAInt8Tiles.rows),
            let bMap = queue.backend.tensorMap(of: b, rows: n, columns: k, stride: bStride, boxRows: tiles.columns)
        else { return false }
        queue.launch(
            tiles.function, blocks: min(tiles.count, queue.properties.multiprocessorCount), threads: 384, sharedByteCount: tiles.sharedByteCount,
            overlaps: true,
            LargeProductArguments(product: self, aMap: aMap, bMap: bMap, collected: CollectedOutliers(of: self, on: queue)))
        return true
    }
}

/// The first outlier columns of a product, of both operands in float32: what every tile takes of them lies together there.
private struct CollectedOutliers {
    private static let collect = CUDAFunction("int8_hopper", "int8_collect_outliers")
    /// `COLLECTED` and `COLLECTORS` of the kernels.
    private static let (columns, threads) = (256, 128)
    /// Blocks that share the columns of the same rows.
    private static let parts = 4

    let ofWeight: Slice
    let ofInput: Slice

    /// Nil where nothing is an outlier.
    init?(of product: CUDAInt8Product, on queue: CUDAQueue) {
        guard let input = product.outlierInput, let list = product.outlierColumns else { return nil }
        let (rowsOfWeight, rowsOfInput) = (Self.padded(product.n), Self.padded(product.m))
        ofWeight = queue.scratch(.float32, count: Self.columns * rowsOfWeight)
        ofInput = queue.scratch(.float32, count: Self.columns * rowsOfInput)
        let blocks = [rowsOfWeight, rowsOfInput].map { ($0 + Self.threads - 1) / Self.threads }
        queue.launch(
            Self.collect, blocks: CUDAGrid(blocks[0] + blocks[1], Self.parts), threads: Self.threads, product.b,
            product.bStride, product.bScales, input, input.dtype.code, list, ofWeight, ofInput, product.m, product.n, product.k)
    }

    private static func padded(_ rows: Int) -> Int { (rows + 15) / 16 * 16 }
}

/// `large_product` of the kernels.
private struct LargeProductArguments: CUDAArgument {
    let product: CUDAInt8Product
    let aMap: CUDATensorMap
    let bMap: CUDATensorMap
    let collected: CollectedOutliers?

    func append(to arguments: inout CUDAArguments) {
        for map in [aMap, bMap] { map.append(to: &arguments) }
        for slice in [product.aScales, product.b] { slice.append(to: &arguments) }
        product.bStride.append(to: &arguments)
        for slice in [product.bScales, product.bias, product.outlierInput, product.outlierColumns] { slice.append(to: &arguments) }
        for slice in [collected?.ofWeight, collected?.ofInput, product.output] { slice.append(to: &arguments) }
        for number in [product.m, product.n, product.k] { number.append(to: &arguments) }
        for slice in [product.bias, product.outlierInput, product.output] { (slice?.dtype.code ?? 0).append(to: &arguments) }
        // A struct of maps ends at a multiple of their alignment.
        arguments.align(to: 64)
    }
}

/// How a large product is cut: into tiles of 128 rows, of which each multiprocessor computes one after the other.
private struct CUDAInt8Tiles {
    static let rows = 128
    private static let functions = [128, 224, 256].map { (columns: $0, function: CUDAFunction("int8_hopper", "int8_large_product_\($0)")) }

    let columns: Int
    let function: CUDAFunction
    let count: Int
    /// Tiles that a multiprocessor computes at most.
    private let turns: Int

    /// The tiles that take the least time; nil where most of it would be spent on nothing.
    init?(_ m: Int, _ n: Int, on queue: CUDAQueue) {
        let multiprocessors = queue.properties.multiprocessorCount
        let choices = Self.functions.map { CUDAInt8Tiles(m, n, columns: $0.columns, function: $0.function, multiprocessors) }
        guard let best = choices.min(by: { $0.time < $1.time }), best.sharedByteCount <= queue.properties.sharedByteCount else { return nil }
        // Measured: below two fifths the library is faster.
        guard 5 * m * n >= 2 * best.turns * multiprocessors * Self.rows * best.columns else { return nil }
        self = best
    }

    private init(_ m: Int, _ n: Int, columns: Int, function: CUDAFunction, _ multiprocessors: Int) {
        (self.columns, self.function) = (columns, function)
        count = ((m + Self.rows - 1) / Self.rows) * ((n + columns - 1) / columns)
        turns = (count + multiprocessors - 1) / multiprocessors
    }

    /// In columns of a tile: its own, and what it takes to begin and to store it.
    private var time: Int { turns * (columns + 16) }

    /// `Shared` of the kernels, from a multiple of 1024 bytes on.
    var sharedByteCount: Int {
        let (stages, extras) = (columns > 128 ? 4 : 6, 4 * (10 * columns + 8 * Self.rows))
        return stages * (Self.rows + columns) * 128 + 2 * extras + 128 + 1024
    }
}
