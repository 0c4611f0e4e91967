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
        self.input = input
        self.weight = weight
        self.epsilon = epsilon
        self.output = output
        self.reciprocal = reciprocal
    }

    package mutating func visitOperands(_ visitor: inout OperandVisitor) {
        visitor.reads("input", &input)
        visitor.reads("weight", &weight)
        visitor.writes("output", &output)
        visitor.writes("reciprocal", &reciprocal)
    }
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
        self.input = input
        self.weight = weight
        self.reciprocal = reciprocal
        self.outputGradient = outputGradient
        self.inputGradient = inputGradient
        self.weightGradient = weightGradient
    }

    package mutating func visitOperands(_ visitor: inout OperandVisitor) {
        visitor.reads("input", &input)
        visitor.reads("weight", &weight)
        visitor.reads("reciprocal", &reciprocal)
        visitor.reads("outputGradient", &outputGradient)
        visitor.writes("inputGradient", &inputGradient)
        visitor.writes("weightGradient", &weightGradient)
    }
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
        self.input = input
        self.width = width
        self.weight = weight
        self.bias = bias
        self.epsilon = epsilon
        self.output = output
        self.mean = mean
        self.reciprocal = reciprocal
    }

    package mutating func visitOperands(_ visitor: inout OperandVisitor) {
        visitor.reads("input", &input)
        visitor.reads("weight", &weight)
        visitor.reads("bias", &bias)
        visitor.writes("output", &output)
        visitor.writes("mean", &mean)
        visitor.writes("reciprocal", &reciprocal)
    }
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
        self.input = input
        self.width = width
        self.weight = weight
        self.mean = mean
        self.reciprocal = reciprocal
        self.outputGradient = outputGradient
        self.inputGradient = inputGradient
        self.weightGradient = weightGradient
        self.biasGradient = biasGradient
    }

    package mutating func visitOperands(_ visitor: inout OperandVisitor) {
        visitor.reads("input", &input)
        visitor.reads("weight", &weight)
        visitor.reads("mean", &mean)
        visitor.reads("reciprocal", &reciprocal)
        visitor.reads("outputGradient", &outputGradient)
        visitor.writes("inputGradient", &inputGradient)
        visitor.writes("weightGradient", &weightGradient)
        visitor.writes("biasGradient", &biasGradient)
    }
}
