/// Codes and scales of a matrix, one scale per row.
struct Int8Rows {
    var codes: [Int]
    var scales: [Float]

    init(codes: [Int], scales: [Float]) {
        self.codes = codes
        self.scales = scales
    }

    /// Quantizes `values` [rows, columns].
    ///
    /// - Parameter keepsNaN: gives a row that holds NaN the scale NaN.
    init(_ values: [Float], rows: Int, columns: Int, outliers: OutlierColumns, keepsNaN: Bool = false) {
        codes = []
        scales = []
        for r in 0..<rows {
            let row = values[r * columns..<(r + 1) * columns]
            let absmax = row.filter { !outliers.isOutlier($0) }.largestMagnitude
            let inverse = 127 / absmax
            codes += row.enumerated().map { k, x in outliers.columns[k] ? 0 : (x * inverse).int8Code }
            scales.append(keepsNaN && row.contains(where: \.isNaN) ? .nan : absmax)
        }
    }

    /// What the codes stand for.
    func values(columns: Int) -> [Float] { codes.enumerated().map { i, code in Float(code) * scales[i / columns] * (1 / 127) } }
}

/// The columns of a matrix with entries that are too large to be quantized.
struct OutlierColumns {
    let threshold: Float
    let columns: [Bool]

    init(_ values: [Float], columns count: Int, threshold: Float) {
        var columns = [Bool](repeating: false, count: count)
        if threshold > 0 { for (i, x) in values.enumerated() where abs(x) >= threshold { columns[i % count] = true } }
        self.threshold = threshold
        self.columns = columns
    }

    func isOutlier(_ x: Float) -> Bool { threshold > 0 && abs(x) >= threshold }
}

extension Float {
    /// The nearest integer, ties to even, at most ±127; NaN is 0.
    var int8Code: Int { isNaN ? 0 : Int(max(-127, min(127, rounded(.toNearestOrEven)))) }
}

extension QuantizeInt8Rows {
    package func reference(_ memory: some ReferenceMemory) {
        let values = memory.floats(input)
        let outlierColumns = OutlierColumns(values, columns: columns, threshold: threshold)
        let quantized = Int8Rows(values, rows: rows, columns: columns, outliers: outlierColumns)
        memory.store(quantized.codes, to: codes)
        memory.store(quantized.scales, to: scales)
        if let outliers { memory.store(outlierColumns.columns.map { $0 ? 1 : 0 }, to: outliers) }
        if let nonFiniteCount { memory.store([values.count { !$0.isFinite }], to: nonFiniteCount) }
    }
}

extension QuantizeInt8Columns {
    package func reference(_ memory: some ReferenceMemory) {
        let values = memory.floats(input).map { threshold > 0 && abs($0) >= threshold ? 0 : $0 }
        let absmax = (0..<columns).map { k in (0..<rows).map { values[$0 * columns + k] }.largestMagnitude }
        memory.store(values.enumerated().map { i, x in (x * 127 / absmax[i % columns]).int8Code }, to: codes)
        memory.store(absmax, to: scales)
    }
}
