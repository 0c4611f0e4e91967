/// A matrix in int8 with one scale per row: `W[r, k] = fl(fl(codes[r, k] * scales[r]) * fl(1 / 127))`.
package struct Int8Matrix: OperandGroup {
    /// int8 [rows, columns]
    package var codes: Slice
    /// float32 [rows]
    package var scales: Slice
    package var columns: Int

    package init(codes: Slice, scales: Slice, columns: Int) {
        precondition(
            codes.dtype == .int8 && scales.dtype == .float32 && codes.count == scales.count * columns,
            "\(codes.count) \(codes.dtype.rawValue) codes and \(scales.count) \(scales.dtype.rawValue) scales for rows of \(columns)")
        (self.codes, self.scales, self.columns) = (codes, scales, columns)
    }

    package static let operandList: OperandList<Self> = [.reads("codes", \.codes), .reads("scales", \.scales)]

    package var rows: Int { scales.count }
}

/// `output[r, k] = rn(W[r, k])`, `rn` rounding to the output's type; see ``Int8Matrix``.
package struct DequantizeInt8: Kernel {
    package static let name = "dequantize_int8"
    package var matrix: Int8Matrix
    /// float32, float16 or bfloat16 [rows, columns]
    package var output: Slice

    package init(_ matrix: Int8Matrix, into output: Slice) {
        precondition(output.count == matrix.codes.count, "an int8 matrix [\(matrix.rows), \(matrix.columns)] into \(output.count) elements")
        (self.matrix, self.output) = (matrix, output)
    }

    package static let operandList: OperandList<Self> = [.group("matrix", \.matrix), .writes("output", \.output)]
}

/// Rows of an int8 matrix: `output[i, k] = rn(W[indices[i], k])`; a row out of range gives zeros.
package struct GatherInt8: Kernel {
    package static let name = "gather_int8"
    package var matrix: Int8Matrix
    /// int32 or int64 [rows of the output]
    package var indices: Slice
    /// float32, float16 or bfloat16 [indices, columns]
    package var output: Slice

    package init(_ matrix: Int8Matrix, rows indices: Slice, into output: Slice) {
        precondition(output.count == indices.count * matrix.columns, "\(indices.count) rows of \(matrix.columns) into \(output.count) elements")
        (self.matrix, self.indices, self.output) = (matrix, indices, output)
    }

    package static let operandList: OperandList<Self> = [.group("matrix", \.matrix), .reads("indices", \.indices), .writes("output", \.output)]
}
