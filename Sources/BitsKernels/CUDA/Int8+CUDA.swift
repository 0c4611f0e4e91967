extension QuantizeInt8Rows: CUDAKernel {
    private static let rowScales = CUDAFunctions("int8", "int8_row_scales")
    private static let rowCodes = CUDAFunctions("int8", "int8_row_codes")

    func launch(on queue: CUDAQueue) {
        if let nonFiniteCount { queue.clear(nonFiniteCount) }
        if let outliers { queue.clear(outliers) }
        let blocks = queue.blocks(for: rows, perMultiprocessor: 64)
        queue.launch(
            Self.rowScales[input.dtype], blocks: blocks, threads: 256, input, rows, columns, threshold, scales, outliers, nonFiniteCount)
        guard columns > 0 else { return }
        queue.launch(
            Self.rowCodes[input.dtype], blocks: blocks, threads: 256, input, rows, columns, scales, threshold > 0 ? outliers : nil, codes)
    }
}

extension QuantizeInt8Columns: CUDAKernel {
    private static let columnScales = CUDAFunctions("int8", "int8_column_scales")
    private static let columnCodes = CUDAFunctions("int8", "int8_column_codes")

    func launch(on queue: CUDAQueue) {
        queue.clear(scales)
        // Enough runs of rows for all multiprocessors, each of some length.
        let across = (columns + 255) / 256
        let runs = min(max(rows / 16, 1), max(8 * queue.properties.multiprocessorCount / max(across, 1), 1))
        queue.launch(
            Self.columnScales[input.dtype], blocks: CUDAGrid(across, rows == 0 ? 0 : runs), threads: 256, input, rows, columns, threshold, scales)
        queue.launch(
            Self.columnCodes[input.dtype], blocks: CUDAGrid(rows: rows, columns: columns), threads: 256, input, rows, columns, threshold, scales,
            codes)
    }
}

extension DequantizeInt8: CUDAKernel {
    private static let rows = CUDAFunctions("int8", "int8_rows")

    func launch(on queue: CUDAQueue) {
        queue.launch(
            Self.rows[output.dtype], blocks: CUDAGrid(rows: matrix.rows, columns: matrix.columns), threads: 256, matrix.codes, matrix.scales,
            matrix.rows, matrix.columns, Slice?.none, Int32(0), matrix.rows, output)
    }
}

extension GatherInt8: CUDAKernel {
    private static let rows = CUDAFunctions("int8", "int8_rows")

    func launch(on queue: CUDAQueue) {
        queue.launch(
            Self.rows[output.dtype], blocks: CUDAGrid(rows: indices.count, columns: matrix.columns), threads: 256, matrix.codes, matrix.scales,
            matrix.rows, matrix.columns, Slice?.some(indices), indices.dtype.code, indices.count, output)
    }
}

extension DequantizeInt8Product: CUDAKernel {
    private static let rescale = CUDAFunctions("int8", "int8_rescale")

    func launch(on queue: CUDAQueue) {
        let (rows, columns) = (rowScales.count, columnScales.count)
        queue.launch(
            Self.rescale[output.dtype], blocks: CUDAGrid(rows: rows, columns: columns), threads: 256, products, rows, columns, rowScales,
            columnScales, bias, bias?.dtype.code ?? 0, output)
    }
}
