// Shapes: M = rows of the input, N = rows of the weight, K = columns of the weight.

extension Int8Linear: CUDAKernel {
    private static let oneRow = CUDAFunctions("int8_linear", "int8_row")
    private static let prepareRows = CUDAFunctions("int8_linear", "int8_prepare_rows")
    private static let findScales = CUDAFunction("int8_linear", "int8_find_scales")
    private static let findCodes = CUDAFunction("int8_linear", "int8_find_codes")
    /// Of a block that looks for outliers.
    private static let markedColumns = 16
    /// Rows up to which one launch prepares all, each of its blocks reading every row.
    private static let mostFewRows = 16

    func launch(on queue: CUDAQueue) {
        guard output.count > 0 else { return }
        if launchOneRow(on: queue) { return }
        let k = weight.columns
        let codes = queue.scratch(.int8, count: m * k)
        let scales = queue.scratch(.float32, count: m)
        let list = threshold > 0 ? queue.scratch(.int32, count: k + 1) : nil
        // Rows are read by eights, and a byte has the marks of so many columns.
        let markByteCount = k / 8
        if m <= Self.mostFewRows && k % 8 == 0 && input.isAligned(to: 16) && markByteCount <= queue.properties.sharedByteCount / 2 {
            queue.launch(
                Self.prepareRows[input.dtype], blocks: m, threads: 1024, sharedByteCount: markByteCount, overlaps: true, input, threshold, codes,
                scales, list, Int32(m), Int32(k))
        } else {
            let marks = threshold > 0 ? queue.scratch(.uint8, count: k) : nil
            queue.launch(
                Self.findScales, blocks: m + (marks == nil ? 0 : (k + Self.markedColumns - 1) / Self.markedColumns), threads: 256, overlaps: true,
                input, input.dtype.code, threshold, scales, marks, m, k)
            queue.launch(
                Self.findCodes, blocks: m + (marks == nil ? 0 : 1), threads: 256, overlaps: true, input, input.dtype.code, scales, marks, codes, list,
                m, k)
        }
        CUDAInt8Product(
            a: codes, aStride: k, aScales: scales, b: weight.codes, bStride: k, bScales: weight.scales, bias: bias, outlierInput: input,
            outlierColumns: list, output: output, m: m, n: weight.rows, k: k
        ).launch(on: queue)
    }
}

extension Int8Linear {
    /// One row in one launch, whose blocks quantize it each for itself.
    ///
    /// - Returns: whether the operands are such.
    private func launchOneRow(on queue: CUDAQueue) -> Bool {
        let k = weight.columns
        // Codes, the list of outliers, marks.
        let byteCount = k + 4 * k + 16 + k / 8
        guard m == 1, k > 0, k % 256 == 0, weight.codes.isAligned(to: 16), input.isAligned(to: 16),
            let block = CUDAInt8RowsBlock(beside: byteCount, on: queue)
        else { return false }
        queue.launch(
            Self.oneRow[input.dtype], blocks: block.count(rows: weight.rows, on: queue), threads: block.threads,
            sharedByteCount: block.sharedByteCount, overlaps: true, input, threshold, weight.codes, weight.scales, bias, bias?.dtype.code ?? 0,
            output, output.dtype.code, weight.rows, k)
        return true
    }
}

extension Int8LinearInputGradient: CUDAKernel {
    func launch(on queue: CUDAQueue) {
        guard inputGradient.count > 0 else { return }
        let values = queue.scratch(inputGradient.dtype, count: weight.codes.count)
        DequantizeInt8(weight, into: values).launch(on: queue)
        MatrixProduct(outputGradient, values, into: inputGradient, m: m, n: weight.columns, k: weight.rows, precision: precision).launch(on: queue)
    }
}

extension Int8LinearWeightGradient: CUDAKernel {
    private static let finishColumns = CUDAFunction("int8_linear", "int8_finish_columns")
    private static let transpose = CUDAFunction("int8_linear", "int8_transpose")
    private static let outlierGradient = CUDAFunction("int8_linear", "int8_outlier_gradient")

    func launch(on queue: CUDAQueue) {
        guard weightGradient.count > 0 else { return }
        let (g, gScales) = quantizedColumns(outputGradient, width: n, marks: nil, on: queue)
        let marks = threshold > 0 ? queue.scratch(.uint8, count: k) : nil
        let (x, xScales) = quantizedColumns(input, width: k, marks: marks, on: queue)
        CUDAInt8Product(
            a: g, aStride: codeStride, aScales: gScales, b: x, bStride: codeStride, bScales: xScales, output: weightGradient, m: n, n: k,
            k: codeStride
        ).launch(on: queue)
        guard let marks else { return }
        let list = queue.listColumns(marks)
        queue.launch(
            Self.outlierGradient, blocks: CUDAGrid((n + 255) / 256, min((k + 7) / 8, 32)), threads: 256, overlaps: true, outputGradient,
            outputGradient.dtype.code, input, input.dtype.code, list, weightGradient, weightGradient.dtype.code, m, n, k)
    }

    /// Codes of a column and the zeros behind them: a multiple of what is loaded at once.
    private var codeStride: Int { (m + 15) / 16 * 16 }

    /// Codes of the columns as rows, and scales; notes in `marks` which hold outliers.
    private func quantizedColumns(_ values: Slice, width: Int, marks: Slice?, on queue: CUDAQueue) -> (codes: Slice, scales: Slice) {
        let codes = queue.scratch(.int8, count: m * width)
        let scales = queue.scratch(.float32, count: width)
        QuantizeInt8Columns(values, codes: codes, scales: scales).launch(on: queue)
        queue.launch(
            Self.finishColumns, blocks: (width + 31) / 32, threads: 1024, overlaps: true, values, values.dtype.code, scales, marks, threshold, m,
            width)
        let transposed = queue.scratch(.int8, count: width * codeStride)
        queue.launch(
            Self.transpose, blocks: ((m + 63) / 64) * ((width + 63) / 64), threads: 256, overlaps: true, codes, transposed, m, width, codeStride)
        return (transposed, scales)
    }
}
