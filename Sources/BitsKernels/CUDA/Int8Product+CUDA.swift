// Shapes: M = rows of a, N = rows of the weight, K = columns of both.

extension Int8Product: CUDAKernel {
    private static let function = CUDAFunction("int8_linear", "int8_product")

    func launch(on queue: CUDAQueue) {
        guard output.count > 0 else { return }
        queue.launch(Self.function, blocks: queue.tiles(m, n), threads: 256, a, k, b, k, output, m, n, k)
    }
}

extension Int8ScaledProduct: CUDAKernel {
    func launch(on queue: CUDAQueue) {
        guard output.count > 0 else { return }
        var list: Slice?
        if let outliers {
            list = queue.scratch(.int32, count: a.columns + 1)
            queue.finishRows(nil, scales: nil, marks: outliers.columns, list: list, rows: 0, width: a.columns)
        }
        CUDAInt8Product(
            a: a.codes, aStride: a.columns, aScales: a.scales, b: weight.codes, bStride: a.columns, bScales: weight.scales, bias: bias,
            outlierInput: outliers?.input, outlierColumns: list, output: output, m: a.rows, n: weight.rows, k: a.columns
        ).launch(on: queue)
    }
}

/// A product of codes, rescaled, with the columns of a list multiplied as they are.
struct CUDAInt8Product {
    let a: Slice
    let aStride: Int
    let aScales: Slice
    let b: Slice
    let bStride: Int
    let bScales: Slice
    var bias: Slice?
    var outlierInput: Slice?
    /// How many, then which.
    var outlierColumns: Slice?
    let output: Slice
    let m: Int
    let n: Int
    let k: Int
    private static let function = CUDAFunction("int8_linear", "int8_scaled_product")

    func launch(on queue: CUDAQueue) {
        queue.launch(
            Self.function, blocks: queue.tiles(m, n), threads: 256, a, aStride, aScales, b, bStride, bScales, bias, bias?.dtype.code ?? 0,
            outlierInput, outlierInput?.dtype.code ?? 0, outlierColumns, output, output.dtype.code, m, n, k)
    }
}

extension CUDAQueue {
    private static let finishRows = CUDAFunction("int8_linear", "int8_finish_rows")

    /// Tiles of 128 by 128.
    fileprivate func tiles(_ m: Int, _ n: Int) -> Int { ((m + 127) / 128) * ((n + 127) / 128) }

    /// Gives rows that hold NaN the scale NaN, and lists the columns that are marked.
    func finishRows(_ input: Slice?, scales: Slice?, marks: Slice?, list: Slice?, rows: Int, width: Int) {
        launch(
            Self.finishRows, blocks: rows + (marks == nil ? 0 : 1), threads: 256, input, input?.dtype.code ?? 0, scales, marks, list, rows, width)
    }
}
