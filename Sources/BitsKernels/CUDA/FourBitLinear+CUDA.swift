// Shapes: M = rows of the input, N = rows of the weight, K = columns of the weight.

extension FourBitLinear: CUDAKernel {
    /// Rows of the input up to which the weight is decoded on the way, for 16 of them at a time.
    private static let mostFewRows = 64

    func launch(on queue: CUDAQueue) {
        guard output.count > 0 else { return }
        if m <= Self.mostFewRows, let rows = CUDAFourBitRows(weight, precision, on: queue) {
            let x = input.rows(of: weight.columns, as: precision.dtype, on: queue)
            for first in stride(from: 0, to: m, by: 16) {
                let some = first..<min(first + 16, m)
                rows.launch(x.block(some, of: weight.columns), bias: bias, into: output.block(some, of: weight.rows), m: some.count, on: queue)
            }
        } else {
            let dequantized = weight.dequantized(to: precision.dtype, on: queue)
            MatrixProduct(
                input, dequantized, into: output, m: m, n: weight.rows, k: weight.columns, transposesB: true, bias: bias, precision: precision
            ).launch(on: queue)
        }
    }
}

extension FourBitLinearInputGradient: CUDAKernel {
    func launch(on queue: CUDAQueue) {
        guard inputGradient.count > 0 else { return }
        let dequantized = weight.dequantized(to: precision.dtype, on: queue)
        MatrixProduct(outputGradient, dequantized, into: inputGradient, m: m, n: weight.columns, k: weight.rows, precision: precision)
            .launch(on: queue)
    }
}

/// Products of up to 16 rows with a 4-bit weight that is read as it lies.
private struct CUDAFourBitRows {
    private let weight: FourBitMatrix
    private let function: (_ fewer: Bool) -> CUDAFunction
    private static let functions = [8, 16].map { rows in
        ["plain", "nested", "other"].map { CUDAFunctions("four_bit_linear", "four_bit_rows_\(rows)_\($0)") }
    }
    /// Both numbers of each byte for 16 lanes, room for sums, and the code of nested scales.
    private static let sharedByteCount = 256 * 256 + 1024

    /// - Returns: nil where the weight does not lie as the functions read it, or is not multiplied on tensor cores.
    init?(_ weight: FourBitMatrix, _ precision: ProductPrecision, on queue: CUDAQueue) {
        guard precision != .float32, queue.properties.computeCapability >= 80, weight.columns % 256 == 0, weight.packed.deviceAddress % 16 == 0,
            weight.blockSize >= 32, weight.blockSize.isPowerOfTwo
        else { return nil }
        let form: Int
        switch weight.scales {
        case .plain: form = weight.blockSize == 64 ? 0 : 2
        case .nested(let codes, _, _, _, let size):
            guard size.isPowerOfTwo, size * weight.blockSize >= 256 else { return nil }
            form = weight.blockSize == 64 && codes.deviceAddress % 4 == 0 ? 1 : 2
        }
        self.weight = weight
        function = { Self.functions[$0 ? 0 : 1][form][precision.dtype] }
    }

    func launch(_ x: Slice, bias: Slice?, into output: Slice, m: Int, on queue: CUDAQueue) {
        let parts = weight.scaleParts
        queue.launch(
            function(m <= 8), blocks: min((weight.rows + 15) / 16, 2 * queue.properties.multiprocessorCount), threads: 256,
            sharedByteCount: Self.sharedByteCount, x, weight.packed, weight.code, parts.absmax, parts.codes, parts.code, parts.nestedAbsmax,
            parts.offset, Int32(weight.blockSize.trailingZeroBitCount), Int32(parts.blockSize.trailingZeroBitCount), bias, bias?.dtype.code ?? 0,
            output, output.dtype.code, Int32(m), weight.rows, weight.columns)
    }
}

extension Slice {
    /// The rows of `width` elements in a type and at an address that vectors of 16 bytes can be loaded from: as they are, or converted.
    fileprivate func rows(of width: Int, as dtype: DType, on queue: CUDAQueue) -> Slice {
        if self.dtype == dtype && deviceAddress % 16 == 0 { return self }
        let converted = queue.scratch(dtype, count: count)
        queue.convert(self, rows: count / width, width: width, stride: width, to: converted)
        return converted
    }

    fileprivate func block(_ rows: Range<Int>, of width: Int) -> Slice { self[rows.lowerBound * width..<rows.upperBound * width] }
}

extension FourBitMatrix {
    /// The matrix in scratch memory.
    fileprivate func dequantized(to dtype: DType, on queue: CUDAQueue) -> Slice {
        let values = queue.scratch(dtype, count: rows * columns)
        DequantizeFourBit(self, into: values).launch(on: queue)
        return values
    }

    /// The scales as the functions take them: either the first or all others.
    fileprivate var scaleParts: (absmax: Slice?, codes: Slice?, code: Slice?, nestedAbsmax: Slice?, offset: Slice?, blockSize: Int) {
        switch scales {
        case .plain(let absmax): (absmax, nil, nil, nil, nil, 1)
        case .nested(let codes, let code, let absmax, let offset, let blockSize): (nil, codes, code, absmax, offset, blockSize)
        }
    }
}
