// Shapes: M = rows of the input, N = rows of the weight, K = columns of the weight.

extension Int8Linear {
    package func reference(_ memory: some ReferenceMemory) {
        let x = memory.floats(input)
        let k = weight.columns
        let outliers = OutlierColumns(x, columns: k, threshold: threshold)
        let quantized = Int8Rows(x, rows: m, columns: k, outliers: outliers, keepsNaN: true)
        let product = OutlierProduct(quantized, weight: weight.rowsOfCodes(memory), bias: bias.map { memory.floats($0) }, k: k)
        memory.store(product.adding(x, of: input.dtype, columns: outliers.columns), to: output)
    }
}

extension Int8LinearInputGradient {
    package func reference(_ memory: some ReferenceMemory) {
        let (n, k) = (weight.rows, weight.columns)
        let dy = precision.operands(memory.floats(outputGradient))
        let w = precision.operands(weight.values(memory).map(inputGradient.dtype.rounded))
        memory.store(matrixProduct(dy, w, m: m, n: n, k: k), to: inputGradient)
    }
}

extension Int8LinearWeightGradient {
    package func reference(_ memory: some ReferenceMemory) {
        let (dy, x) = (memory.floats(outputGradient), memory.floats(input))
        let outliers = OutlierColumns(x, columns: k, threshold: threshold).columns
        let (g, a) = (Int8Rows(columnsOf: dy, rows: m, columns: n), Int8Rows(columnsOf: x, rows: m, columns: k))
        let products = int8Products(g.codes, a.codes, m: n, n: k, k: m)
        var result = rescaled(products, rows: g.scales, columns: a.scales, bias: nil)
        for t in 0..<k where outliers[t] {
            for j in 0..<n { result[j * k + t] = Float((0..<m).reduce(0.0) { $0 + Double(dy[$1 * n + j]) * Double(x[$1 * k + t]) }) }
        }
        memory.store(result, to: weightGradient)
    }
}

extension Int8Rows {
    /// Quantizes the columns of `values` [rows, columns], by the formula of ``QuantizeInt8Columns``; its columns are the rows here, and one that holds
    /// NaN has scale NaN.
    init(columnsOf values: [Float], rows: Int, columns: Int) {
        self.init(codes: [], scales: [])
        for k in 0..<columns {
            let column = (0..<rows).map { values[$0 * columns + k] }
            let absmax = column.largestMagnitude
            codes += column.map { ($0 * 127 / absmax).int8Code }
            scales.append(column.contains(where: \.isNaN) ? .nan : absmax)
        }
    }
}
