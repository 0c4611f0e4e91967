// Shapes: M = rows of the input, N = rows of the weight, K = columns of the weight.

/// `output[M, N] = input[M, K] · Wᵀ (+ bias)` by LLM.int8(): ``QuantizeInt8Rows`` of the input, then ``Int8ScaledProduct`` with its outliers.
///
/// A row of the input that holds NaN has scale NaN here, and so a result of NaN: a computation that has failed stays visible. An infinity does the
/// same to its row where it is no outlier.
package struct Int8Linear: Kernel {
    package static let name = "int8_linear"
    package var input: Slice
    package var weight: Int8Matrix
    package var bias: Slice?
    /// 0: nothing is an outlier.
    package var threshold: Float
    package var output: Slice
    package var m: Int

    package init(_ input: Slice, weight: Int8Matrix, bias: Slice? = nil, threshold: Float = 0, into output: Slice, m: Int) {
        precondition(threshold >= 0, "outlier threshold \(threshold)")
        precondition(weight.columns <= longestInt8Sum, "int8 linear of \(weight.columns) columns; sums of more than \(longestInt8Sum) may overflow")
        precondition(
            input.count == m * weight.columns && output.count == m * weight.rows,
            "int8 linear [\(weight.rows), \(weight.columns)] of \(input.count) elements into \(output.count)")
        precondition(bias == nil || bias!.count == weight.rows, "bias of \(bias!.count) for \(weight.rows) columns")
        (self.input, self.weight, self.bias, self.threshold, self.output, self.m) = (input, weight, bias, threshold, output, m)
    }

    package static let operandList: OperandList<Self> = [
        .reads("input", \.input), .group("weight", \.weight), .reads("bias", \.bias), .writes("output", \.output),
    ]
}

/// `inputGradient[M, K] = outputGradient[M, N] · rnx(W)`, the gradient of ``Int8Linear`` for its input as if nothing were rounded; `rnx` rounds to
/// the type of the input gradient. Sums in float32.
package struct Int8LinearInputGradient: Kernel {
    package static let name = "int8_linear_input_gradient"
    package var outputGradient: Slice
    package var weight: Int8Matrix
    package var inputGradient: Slice
    package var precision: ProductPrecision
    package var m: Int

    package init(_ outputGradient: Slice, weight: Int8Matrix, into inputGradient: Slice, m: Int, precision: ProductPrecision) {
        precondition(
            outputGradient.count == m * weight.rows && inputGradient.count == m * weight.columns,
            "int8 linear gradient [\(weight.rows), \(weight.columns)] of \(outputGradient.count) elements into \(inputGradient.count)")
        (self.outputGradient, self.weight, self.inputGradient, self.precision, self.m) = (outputGradient, weight, inputGradient, precision, m)
    }

    package static let operandList: OperandList<Self> = [
        .reads("outputGradient", \.outputGradient), .group("weight", \.weight), .writes("inputGradient", \.inputGradient),
    ]
}

/// `weightGradient[N, K] = outputGradient[M, N]ᵀ · input[M, K]` in int8: both quantized by columns (``QuantizeInt8Columns``, threshold 0), multiplied
/// exactly, rescaled as by ``DequantizeInt8Product`` with the scales of the gradient's columns for rows.
///
/// Columns of the input that hold an entry of at least `threshold` (above 0) are multiplied as they are, with float32 sums. A column that holds NaN
/// has scale NaN here.
package struct Int8LinearWeightGradient: Kernel {
    package static let name = "int8_linear_weight_gradient"
    package var outputGradient: Slice
    package var input: Slice
    /// 0: nothing is an outlier.
    package var threshold: Float
    package var weightGradient: Slice
    package var m: Int
    package var n: Int
    package var k: Int

    package init(_ outputGradient: Slice, input: Slice, threshold: Float = 0, into weightGradient: Slice, m: Int, n: Int, k: Int) {
        precondition(threshold >= 0, "outlier threshold \(threshold)")
        precondition(
            m <= longestInt8Sum, "int8 weight gradient of \(m) rows; sums of more than \(longestInt8Sum) may overflow, so take smaller batches")
        precondition(
            outputGradient.count == m * n && input.count == m * k && weightGradient.count == n * k,
            "int8 weight gradient [\(n), \(k)] of \(outputGradient.count) and \(input.count) elements into \(weightGradient.count)")
        (self.outputGradient, self.input, self.threshold, self.weightGradient) = (outputGradient, input, threshold, weightGradient)
        (self.m, self.n, self.k) = (m, n, k)
    }

    package static let operandList: OperandList<Self> = [
        .reads("outputGradient", \.outputGradient), .reads("input", \.input), .writes("weightGradient", \.weightGradient),
    ]
}
