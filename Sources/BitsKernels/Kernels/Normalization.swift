/// Root-mean-square norm over rows of `weight.count` (Zhang and Sennrich 2019):
/// `output[r, i] = input[r, i] * reciprocal[r] * weight[i]`, `reciprocal[r] = 1 / sqrt(mean_i input[r, i]^2 + epsilon)`.
package struct RMSNorm: Kernel {
    package static let name = "rms_norm"
    package var input: Slice
    package var weight: Slice
    package var epsilon: Float
    package var output: Slice
    /// float32 [rows], kept for the gradient; nil where none is wanted.
    package var reciprocal: Slice?

    package init(_ input: Slice, weight: Slice, epsilon: Float, into output: Slice, reciprocal: Slice?) {
        precondition(
            weight.count > 0 && input.count % weight.count == 0 && output.count == input.count
                && reciprocal.map { $0.count == input.count / weight.count } ?? true, "RMS norm of \(input.count) by \(weight.count)")
        (self.input, self.weight, self.epsilon, self.output, self.reciprocal) = (input, weight, epsilon, output, reciprocal)
    }

    package static let operandList: OperandList<Self> = [
        .reads("input", \.input), .reads("weight", \.weight), .writes("output", \.output), .writes("reciprocal", \.reciprocal),
    ]
}

/// Gradients of ``RMSNorm``. With `n = input * reciprocal` and `g = outputGradient * weight`:
/// `inputGradient = reciprocal * (g - n * mean_i(g * n))`, `weightGradient[i] = sum_r outputGradient[r, i] * n[r, i]` (written, not added; float32).
package struct RMSNormGradient: Kernel {
    package static let name = "rms_norm_gradient"
    package var input: Slice
    package var weight: Slice
    package var reciprocal: Slice
    package var outputGradient: Slice
    package var inputGradient: Slice?
    package var weightGradient: Slice?

    package init(input: Slice, weight: Slice, reciprocal: Slice, outputGradient: Slice, inputGradient: Slice?, weightGradient: Slice?) {
        precondition(
            weight.count > 0 && input.count == reciprocal.count * weight.count && outputGradient.count == input.count
                && (inputGradient?.count ?? input.count) == input.count && (weightGradient?.count ?? weight.count) == weight.count,
            "gradient of an RMS norm of \(input.count) by \(weight.count) with \(reciprocal.count) rows")
        (self.input, self.weight, self.reciprocal) = (input, weight, reciprocal)
        (self.outputGradient, self.inputGradient, self.weightGradient) = (outputGradient, inputGradient, weightGradient)
    }

    package static let operandList: OperandList<Self> = [
        .reads("input", \.input), .reads("weight", \.weight), .reads("reciprocal", \.reciprocal), .reads("outputGradient", \.outputGradient),
        .writes("inputGradient", \.inputGradient), .writes("weightGradient", \.weightGradient),
    ]
}

/// Layer norm over rows of `width` (Ba et al. 2016): `output = (input - mean) * reciprocal * weight + bias`,
/// `reciprocal = 1 / sqrt(variance + epsilon)` with the population variance. `weight` and `bias` may be absent (1 and 0).
package struct LayerNorm: Kernel {
    package static let name = "layer_norm"
    package var input: Slice
    package var width: Int
    package var weight: Slice?
    package var bias: Slice?
    package var epsilon: Float
    package var output: Slice
    /// float32 [rows] each, kept for the gradient.
    package var mean: Slice?
    package var reciprocal: Slice?

    package init(
        _ input: Slice, width: Int, weight: Slice?, bias: Slice?, epsilon: Float, into output: Slice, mean: Slice?, reciprocal: Slice?
    ) {
        precondition(
            width > 0 && input.count % width == 0 && output.count == input.count && [weight, bias].allSatisfy { ($0?.count ?? width) == width }
                && [mean, reciprocal].allSatisfy { ($0?.count ?? input.count / width) == input.count / width },
            "layer norm of \(input.count) by \(width)")
        (self.input, self.width, self.weight, self.bias) = (input, width, weight, bias)
        (self.epsilon, self.output, self.mean, self.reciprocal) = (epsilon, output, mean, reciprocal)
    }

    package static let operandList: OperandList<Self> = [
        .reads("input", \.input), .reads("weight", \.weight), .reads("bias", \.bias), .writes("output", \.output), .writes("mean", \.mean),
        .writes("reciprocal", \.reciprocal),
    ]
}

/// Gradients of ``LayerNorm``. With `n = (input - mean) * reciprocal` and `g = outputGradient * weight`:
/// `inputGradient = reciprocal * (g - mean_i(g) - n * mean_i(g * n))`, `weightGradient = sum_r outputGradient * n`, `biasGradient = sum_r outputGradient`
/// (written, not added; float32).
package struct LayerNormGradient: Kernel {
    package static let name = "layer_norm_gradient"
    package var input: Slice
    package var width: Int
    package var weight: Slice?
    package var mean: Slice
    package var reciprocal: Slice
    package var outputGradient: Slice
    package var inputGradient: Slice?
    package var weightGradient: Slice?
    package var biasGradient: Slice?

    package init(
        input: Slice, width: Int, weight: Slice?, mean: Slice, reciprocal: Slice, outputGradient: Slice, inputGradient: Slice?,
        weightGradient: Slice?, biasGradient: Slice?
    ) {
        precondition(
            width > 0 && input.count == reciprocal.count * width && mean.count == reciprocal.count && outputGradient.count == input.count
                && (inputGradient?.count ?? input.count) == input.count
                && [weight, weightGradient, biasGradient].allSatisfy { ($0?.count ?? width) == width },
            "gradient of a layer norm of \(input.count) by \(width) with \(reciprocal.count) rows")
        (self.input, self.width, self.weight) = (input, width, weight)
        (self.mean, self.reciprocal, self.outputGradient) = (mean, reciprocal, outputGradient)
        (self.inputGradient, self.weightGradient, self.biasGradient) = (inputGradient, weightGradient, biasGradient)
    }

    package static let operandList: OperandList<Self> = [
        .reads("input", \.input), .reads("weight", \.weight), .reads("mean", \.mean), .reads("reciprocal", \.reciprocal),
        .reads("outputGradient", \.outputGradient), .writes("inputGradient", \.inputGradient), .writes("weightGradient", \.weightGradient),
        .writes("biasGradient", \.biasGradient),
    ]
}
