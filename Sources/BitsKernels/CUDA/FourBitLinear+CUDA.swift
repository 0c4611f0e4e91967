// Shapes: M = rows of the input, N = rows of the weight, K = columns of the weight.

extension FourBitLinear: CUDAKernel {
    func launch(on queue: CUDAQueue) {
        guard let update else { return launchAlone(on: queue) }
        if m > CUDAFourBitWide.mostRows, let sum = weight.dequantized(with: update, to: precision.dtype, on: queue) {
            product(with: sum).launch(on: queue)
            if let narrow = update.narrow { narrowProduct(update) { narrow }.launch(on: queue) }
        } else {
            withoutUpdate.launchAlone(on: queue)
            let narrow = narrowProduct(update) { queue.scratch(precision.dtype, count: m * update.rank) }
            narrow.launch(on: queue)
            addition(of: narrow.output, update).launch(on: queue)
        }
    }

    private func launchAlone(on queue: CUDAQueue) {
        guard output.count > 0 else { return }
        if var product = CUDAFourBitFewRows(self, on: queue) {
            product.isConstant = queue.backend.isSettled(weight.memory)
            return product.launch(on: queue)
        }
        if var product = CUDAFourBitWide(self, on: queue) {
            product.isConstant = queue.backend.isSettled(weight.memory)
            return product.launch(on: queue)
        }
        if m > 8, CUDAFourBitWide.takes(weight, precision, on: queue) { return launchDequantized(on: queue) }
        if m <= CUDAFourBitProduct.mostRows(weight, on: queue), let product = CUDAFourBitProduct(weight, precision, on: queue) {
            for first in stride(from: 0, to: m, by: 64) {
                let some = first..<min(first + 64, m)
                product.launch(input.block(some, of: weight.columns), bias: bias, into: output.block(some, of: weight.rows), m: some.count, on: queue)
            }
        } else {
            launchDequantized(on: queue)
        }
    }

    private func launchDequantized(on queue: CUDAQueue) {
        product(with: weight.dequantized(to: precision.dtype, on: queue)).launch(on: queue)
    }

    private func product(with dequantized: Slice) -> MatrixProduct {
        MatrixProduct(
            input, dequantized, into: output, m: m, n: weight.rows, k: weight.columns, transposesB: true, bias: bias, precision: precision)
    }
}

extension FourBitLinearInputGradient: CUDAKernel {
    func launch(on queue: CUDAQueue) {
        guard let update else { return product(with: weight.dequantized(to: precision.dtype, on: queue)).launch(on: queue) }
        if let sum = weight.dequantized(with: update, to: precision.dtype, on: queue) {
            product(with: sum).launch(on: queue)
            if let narrow = update.narrow { narrowProduct(update) { narrow }.launch(on: queue) }
        } else {
            withoutUpdate.launch(on: queue)
            let narrow = narrowProduct(update) { queue.scratch(precision.dtype, count: m * update.rank) }
            narrow.launch(on: queue)
            addition(of: narrow.output, update).launch(on: queue)
        }
    }

    private func product(with dequantized: Slice) -> MatrixProduct {
        MatrixProduct(outputGradient, dequantized, into: inputGradient, m: m, n: weight.columns, k: weight.rows, precision: precision)
    }
}

/// Products of up to 64 rows with a 4-bit weight that is read as it lies.
private struct CUDAFourBitProduct {
    let weight: FourBitMatrix
    let precision: ProductPrecision
    /// How the functions of few rows find scales: plain or nested ones of 64 elements, or any others.
    private let form: Int
    /// One row, and up to 8.
    private static let few = [1, 8].map { rows in
        ["plain", "nested", "other"].map { CUDAFunctions("four_bit_linear", "four_bit_rows_\(rows)_\($0)") }
    }
    /// Up to 16, 32 and 64 rows, of weights whose blocks have 64 elements or more.
    private static let some = [16, 32, 64].map { (rows: $0, functions: CUDAFunctions("four_bit_linear", "four_bit_block_\($0)")) }
    private static let arrangeRows = CUDAFunctions("four_bit_linear", "four_bit_arrange_rows")
    /// Both numbers of each byte for 16 lanes, room for sums, and the code of nested scales. One row of the input lies behind it.
    private static let tableByteCount = 256 * 256 + 1024
    /// With two units of some rows of the input.
    private static func byteCount(rows: Int) -> Int { tableByteCount + 2 * rows * (512 + 16) }

    /// Rows up to which the weight is decoded on the way, for 64 of them at a time: for more it pays to decode it once.
    static func mostRows(_ weight: FourBitMatrix, on queue: CUDAQueue) -> Int {
        if weight.blockSize < 64 { return 8 }
        return queue.properties.sharedByteCount >= byteCount(rows: 64) ? 192 : 32
    }

    /// - Returns: nil where the weight does not lie as the functions read it, or is not multiplied on tensor cores.
    init?(_ weight: FourBitMatrix, _ precision: ProductPrecision, on queue: CUDAQueue) {
        guard precision != .float32, queue.properties.computeCapability >= 80, weight.columns > 0, weight.columns % 256 == 0,
            weight.packed.isAligned(to: 16), weight.blockSize >= 32, weight.blockSize.isPowerOfTwo,
            Self.tableByteCount + 2 * weight.columns <= queue.properties.sharedByteCount
        else { return nil }
        switch weight.scales {
        case .plain: form = weight.blockSize == 64 ? 0 : 2
        case .nested(let codes, _, _, _, let size):
            guard size.isPowerOfTwo, size * weight.blockSize >= 256 else { return nil }
            form = weight.blockSize == 64 && codes.isAligned(to: 4) ? 1 : 2
        }
        self.weight = weight
        self.precision = precision
    }

    func launch(_ x: Slice, bias: Slice?, into output: Slice, m: Int, on queue: CUDAQueue) {
        let multiprocessors = queue.properties.multiprocessorCount
        if m <= 8 {
            let blocks = CUDAGrid(min((weight.rows + 15) / 16, 2 * multiprocessors))
            let x = m == 1 ? vectors(of: x, takesFloats: true, on: queue) : arranged(x, m: m, on: queue)
            let byteCount = Self.tableByteCount + (m == 1 ? 2 * weight.columns : 0)
            return launch(Self.few[m == 1 ? 0 : 1][form], blocks, 256, byteCount, x, bias, output, m, queue)
        }
        let x = vectors(of: x, takesFloats: false, on: queue)
        // Where there are not enough rows of the weight to occupy the device, its columns are shared out too.
        let across = (weight.rows + 127) / 128
        let parts = max(min(multiprocessors / across, weight.columns / 256), 1)
        let (rows, functions) = Self.some.first { m <= $0.rows }!
        let byteCount = Self.byteCount(rows: rows)
        if parts == 1 { return launch(functions, CUDAGrid(across), 512, byteCount, x, bias, output, m, queue) }
        let sums = queue.scratch(.float32, count: parts * output.count)
        launch(functions, CUDAGrid(across, parts), 512, byteCount, x, nil, sums, m, queue)
        queue.addParts(sums, parts, bias: bias, into: output, m: m, n: weight.rows)
    }

    /// Rows of the input in the product's type, or in float32, from where vectors can be loaded: as they are, or converted.
    private func vectors(of x: Slice, takesFloats: Bool, on queue: CUDAQueue) -> Slice {
        if x.isAligned(to: 16) && (x.dtype == precision.dtype || x.dtype == .float32 && takesFloats) { return x }
        let converted = queue.scratch(precision.dtype, count: x.count)
        queue.convert(x, rows: 1, width: x.count, stride: x.count, to: converted)
        return converted
    }

    /// Up to 8 rows of the input in the order that warps read them in.
    private func arranged(_ x: Slice, m: Int, on queue: CUDAQueue) -> Slice {
        let arranged = queue.scratch(precision.dtype, count: 8 * weight.columns)
        queue.launch(
            Self.arrangeRows[precision.dtype], blocks: (weight.columns + 127) / 128, threads: 128, overlaps: true, x, x.dtype.code, arranged,
            Int32(m), weight.columns)
        return arranged
    }

    private func launch(
        _ functions: CUDAFunctions, _ blocks: CUDAGrid, _ threads: Int, _ sharedByteCount: Int, _ x: Slice, _ bias: Slice?, _ output: Slice,
        _ m: Int, _ queue: CUDAQueue
    ) {
        let scales = weight.scaleParts
        queue.launch(
            functions[precision.dtype], blocks: blocks, threads: threads, sharedByteCount: sharedByteCount, overlaps: true, x, x.dtype.code,
            weight.packed, weight.code, scales.absmax, scales.codes, scales.code, scales.nestedAbsmax, scales.offset,
            Int32(weight.blockSize.trailingZeroBitCount), Int32(scales.blockSize.trailingZeroBitCount), bias, bias?.dtype.code ?? 0, output,
            output.dtype.code, Int32(m), weight.rows, weight.columns)
    }
}

extension CUDAQueue {
    private static let addParts = CUDAFunction("four_bit_linear", "four_bit_add_parts")

    /// The sums of parts [parts, M, N], and the bias.
    func addParts(_ sums: Slice, _ parts: Int, bias: Slice?, into output: Slice, m: Int, n: Int) {
        let (blocks, threads) = sharing(output.count, perThread: 1)
        launch(
            Self.addParts, blocks: blocks, threads: threads, overlaps: true, sums, Int32(parts), bias, bias?.dtype.code ?? 0, output,
            output.dtype.code, m, n)
    }
}

extension Slice {
    /// Some rows of a matrix.
    func block(_ rows: Range<Int>, of width: Int) -> Slice { self[rows.lowerBound * width..<rows.upperBound * width] }
}

extension FourBitMatrix {
    /// The matrix in scratch memory.
    fileprivate func dequantized(to dtype: DType, on queue: CUDAQueue) -> Slice {
        let values = queue.scratch(dtype, count: rows * columns)
        DequantizeFourBit(self, into: values).launch(on: queue)
        return values
    }

    /// Where everything of it lies.
    var memory: [Range<UInt>] {
        switch scales {
        case .plain(let absmax): [packed.addresses, code.addresses, absmax.addresses]
        case .nested(let codes, let nestedCode, let absmax, let offset, _):
            [packed.addresses, code.addresses, codes.addresses, nestedCode.addresses, absmax.addresses, offset.addresses]
        }
    }

    /// The scales as the functions take them: either the first or all others.
    var scaleParts: (absmax: Slice?, codes: Slice?, code: Slice?, nestedAbsmax: Slice?, offset: Slice?, blockSize: Int) {
        switch scales {
        case .plain(let absmax): (absmax, nil, nil, nil, nil, 1)
        case .nested(let codes, let code, let absmax, let offset, let blockSize): (nil, codes, code, absmax, offset, blockSize)
        }
    }
}
