/// `output[r, i] = exp(input[r, i] - max_r) / sum_j exp(input[r, j] - max_r)` over rows of `width`.
package struct Softmax: Kernel {
    package static let name = "softmax"
    package var input: Slice
    package var width: Int
    package var output: Slice

    package init(_ input: Slice, width: Int, into output: Slice) {
        precondition(input.count == output.count && (width == 0 || input.count % width == 0), "softmax over \(width) of \(input.count)")
        (self.input, self.width, self.output) = (input, width, output)
    }

    package static let operandList: OperandList<Self> = [.reads("input", \.input), .writes("output", \.output)]
}

/// `inputGradient = output * (outputGradient - sum_j output_j * outputGradient_j)` over rows of `width`.
package struct SoftmaxGradient: Kernel {
    package static let name = "softmax_gradient"
    package var output: Slice
    package var outputGradient: Slice
    package var width: Int
    package var inputGradient: Slice

    package init(output: Slice, outputGradient: Slice, width: Int, into inputGradient: Slice) {
        precondition(
            outputGradient.count == output.count && inputGradient.count == output.count && (width == 0 || output.count % width == 0),
            "gradient of softmax over \(width) of \(output.count): \(outputGradient.count) into \(inputGradient.count)")
        (self.output, self.outputGradient, self.width, self.inputGradient) = (output, outputGradient, width, inputGradient)
    }

    package static let operandList: OperandList<Self> = [
        .reads("output", \.output), .reads("outputGradient", \.outputGradient), .writes("inputGradient", \.inputGradient),
    ]
}
