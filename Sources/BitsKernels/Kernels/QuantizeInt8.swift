/// Quantizes each row of a matrix to int8 by its largest magnitude, with outliers left out (LLM.int8()).
///
/// An outlier is an entry with `|x| >= threshold`, where the threshold is above 0; a column with at least one is an outlier column.
/// ```
/// scales[r]   = max |x[r, k]| over the row's entries that are no outliers, NaN left out
/// codes[r, k] = roundHalfEven(fl(x[r, k] * fl(127 / scales[r]))), 0 in outlier columns
/// ```
/// NaN gives code 0. So do a row of zeros and a row with an infinity that is no outlier, whose scale is infinite; a scale too small to invert sends
/// all but its zeros to ±127.
package struct QuantizeInt8Rows: Kernel {
    package static let name = "quantize_int8_rows"
    /// float32, float16 or bfloat16 [rows, columns]
    package var input: Slice
    package var columns: Int
    /// 0: nothing is an outlier.
    package var threshold: Float
    /// int8 [rows, columns]
    package var codes: Slice
    /// float32 [rows]
    package var scales: Slice
    /// uint8 [columns]: 1 for outlier columns, 0 for others. Must be there with a threshold.
    package var outliers: Slice?
    /// int64 [1]: how many inputs were NaN or infinite.
    package var nonFiniteCount: Slice?

    package init(
        _ input: Slice, columns: Int, threshold: Float = 0, codes: Slice, scales: Slice, outliers: Slice? = nil, nonFiniteCount: Slice? = nil
    ) {
        precondition(threshold == 0 || threshold > 0 && outliers != nil, "outlier threshold \(threshold), nowhere to mark outliers")
        precondition(codes.dtype == .int8 && codes.count == input.count, "\(codes.count) \(codes.dtype.rawValue) codes for \(input.count) elements")
        precondition(
            scales.dtype == .float32 && scales.count * columns == input.count, "\(scales.count) scales for \(input.count) elements, \(columns) a row")
        precondition(outliers.map { $0.dtype == .uint8 && $0.count == columns } ?? true, "outliers of \(columns) columns are uint8")
        (self.input, self.columns, self.threshold, self.codes) = (input, columns, threshold, codes)
        (self.scales, self.outliers, self.nonFiniteCount) = (scales, outliers, nonFiniteCount)
    }

    package static let operandList: OperandList<Self> = [
        .reads("input", \.input), .writes("codes", \.codes), .writes("scales", \.scales), .writes("outliers", \.outliers),
        .writes("nonFiniteCount", \.nonFiniteCount),
    ]

    package var rows: Int { scales.count }
}

/// Quantizes each column of a matrix to int8 by its largest magnitude: the other half of a double quantization.
/// ```
/// scales[k]   = max |x[r, k]| over the column's entries that are no outliers, NaN left out
/// codes[r, k] = roundHalfEven(fl(fl(x[r, k] * 127) / scales[k])), at most ±127; 0 for outliers and NaN, and where the division gives NaN
/// ```
package struct QuantizeInt8Columns: Kernel {
    package static let name = "quantize_int8_columns"
    /// float32, float16 or bfloat16 [rows, columns]
    package var input: Slice
    /// 0: nothing is an outlier.
    package var threshold: Float
    /// int8 [rows, columns]
    package var codes: Slice
    /// float32 [columns]
    package var scales: Slice

    package init(_ input: Slice, threshold: Float = 0, codes: Slice, scales: Slice) {
        precondition(threshold >= 0, "outlier threshold \(threshold)")
        precondition(codes.dtype == .int8 && codes.count == input.count, "\(codes.count) \(codes.dtype.rawValue) codes for \(input.count) elements")
        precondition(scales.dtype == .float32 && input.count % max(scales.count, 1) == 0, "\(scales.count) column scales for \(input.count) elements")
        (self.input, self.threshold, self.codes, self.scales) = (input, threshold, codes, scales)
    }

    package static let operandList: OperandList<Self> = [.reads("input", \.input), .writes("codes", \.codes), .writes("scales", \.scales)]

    package var columns: Int { scales.count }
    package var rows: Int { columns == 0 ? 0 : input.count / columns }
}
