/// Undoes ``QuantizeFourBit``: `output[i] = rn(fl(code[c[i]] * scale[i / blockSize]))`, `rn` rounding to the output's type; see ``FourBitMatrix``.
package struct DequantizeFourBit: Kernel {
    package static let name = "dequantize_four_bit"
    package var matrix: FourBitMatrix
    /// float32, float16 or bfloat16 [rows, columns]
    package var output: Slice

    package init(_ matrix: FourBitMatrix, into output: Slice) {
        precondition(
            output.count == matrix.rows * matrix.columns, "a 4-bit matrix [\(matrix.rows), \(matrix.columns)] into \(output.count) elements")
        (self.matrix, self.output) = (matrix, output)
    }

    package static let operandList: OperandList<Self> = [.group("matrix", \.matrix), .writes("output", \.output)]
}

/// Rows of a 4-bit matrix: `output[r, k] = rn(fl(code[c[e]] * scale[e / blockSize]))` with `e = indices[r] * columns + k`; a row out of range gives zeros.
package struct GatherFourBit: Kernel {
    package static let name = "gather_four_bit"
    package var matrix: FourBitMatrix
    /// int32 or int64 [rows of the output]
    package var indices: Slice
    /// float32, float16 or bfloat16 [indices, columns]
    package var output: Slice

    package init(_ matrix: FourBitMatrix, rows indices: Slice, into output: Slice) {
        precondition(
            output.count == indices.count * matrix.columns, "\(indices.count) rows of \(matrix.columns) into \(output.count) elements")
        (self.matrix, self.indices, self.output) = (matrix, indices, output)
    }

    package static let operandList: OperandList<Self> = [.group("matrix", \.matrix), .reads("indices", \.indices), .writes("output", \.output)]
}
