/// `output = operation(lhs, rhs)`, element by element in float32, rounded once to the output's type.
///
/// `lhs` and `rhs` have the output's shape (broadcast axes have stride 0), rank at most 6; the output is contiguous.
package struct BinaryElementwise: Kernel {
    package static let name = "binary"
    package enum Operation: Int32, Sendable, CaseIterable { case add = 0, subtract, multiply, divide, maximum }

    package var operation: Operation
    package var lhs: StridedSlice
    package var rhs: StridedSlice
    package var output: Slice

    package init(_ operation: Operation, _ lhs: StridedSlice, _ rhs: StridedSlice, into output: Slice) {
        precondition(lhs.shape == rhs.shape, "\(operation) of \(lhs.shape) and \(rhs.shape)")
        precondition(lhs.shape.count <= 6, "\(operation) along \(lhs.shape.count) axes, \(lhs.shape), and 6 are the most")
        (self.operation, self.lhs, self.rhs, self.output) = (operation, lhs, rhs, output)
    }

    package static let operandList: OperandList<Self> = [
        .reads("lhs", \.lhs, inPlace: true), .reads("rhs", \.rhs, inPlace: true), .writes("output", \.output),
    ]
}

/// `output[i] = operation(input[i])` in float32, rounded once to the output's type. `gelu` uses erf, `geluTanh` the tanh form.
package struct UnaryElementwise: Kernel {
    package static let name = "unary"
    package enum Operation: Int32, Sendable, CaseIterable {
        case negate = 0, exponential, logarithm, squareRoot, reciprocalSquareRoot, tanh, sigmoid, silu, gelu, geluTanh, relu, square, absolute,
            reciprocal
    }

    package var operation: Operation
    package var input: Slice
    package var output: Slice

    package init(_ operation: Operation, _ input: Slice, into output: Slice) {
        precondition(input.count == output.count, "\(operation) of \(input.count) elements into \(output.count)")
        (self.operation, self.input, self.output) = (operation, input, output)
    }

    package static let operandList: OperandList<Self> = [.reads("input", \.input, inPlace: true), .writes("output", \.output)]
}

/// `output[i] = scale * input[i] + shift`, two roundings in float32, then one to the output's type.
package struct ScaleAndShift: Kernel {
    package static let name = "scale_shift"
    package var input: Slice
    package var scale: Float
    package var shift: Float
    package var output: Slice

    package init(_ input: Slice, scale: Float, shift: Float = 0, into output: Slice) {
        precondition(input.count == output.count, "scaling \(input.count) elements into \(output.count)")
        (self.input, self.scale, self.shift, self.output) = (input, scale, shift, output)
    }

    package static let operandList: OperandList<Self> = [.reads("input", \.input, inPlace: true), .writes("output", \.output)]
}

/// `inputGradient[i] = outputGradient[i] * operation'(input[i])`, for every ``UnaryElementwise/Operation``.
package struct UnaryElementwiseGradient: Kernel {
    package static let name = "unary_gradient"
    package var operation: UnaryElementwise.Operation
    package var input: Slice
    package var outputGradient: Slice
    package var inputGradient: Slice

    package init(_ operation: UnaryElementwise.Operation, input: Slice, outputGradient: Slice, into inputGradient: Slice) {
        precondition(input.count == outputGradient.count && input.count == inputGradient.count, "gradient of \(operation): counts differ")
        (self.operation, self.input, self.outputGradient, self.inputGradient) = (operation, input, outputGradient, inputGradient)
    }

    package static let operandList: OperandList<Self> = [
        .reads("input", \.input), .reads("outputGradient", \.outputGradient), .writes("inputGradient", \.inputGradient),
    ]
}

/// `output[i] = activation(gate[i]) * up[i]` (SwiGLU with `.silu`); `activation` is one of silu, gelu, geluTanh, relu.
package struct GatedActivation: Kernel {
    package static let name = "gated_activation"
    package var activation: UnaryElementwise.Operation
    package var gate: Slice
    package var up: Slice
    package var output: Slice

    package init(_ activation: UnaryElementwise.Operation, gate: Slice, up: Slice, into output: Slice) {
        precondition(gate.count == up.count && gate.count == output.count, "gated \(activation): counts differ")
        (self.activation, self.gate, self.up, self.output) = (activation, gate, up, output)
    }

    package static let operandList: OperandList<Self> = [.reads("gate", \.gate), .reads("up", \.up), .writes("output", \.output)]
}

/// Gradients of ``GatedActivation``: `gateGradient = outputGradient * up * activation'(gate)`, `upGradient = outputGradient * activation(gate)`.
package struct GatedActivationGradient: Kernel {
    package static let name = "gated_activation_gradient"
    package var activation: UnaryElementwise.Operation
    package var gate: Slice
    package var up: Slice
    package var outputGradient: Slice
    package var gateGradient: Slice
    package var upGradient: Slice

    package init(
        _ activation: UnaryElementwise.Operation, gate: Slice, up: Slice, outputGradient: Slice, gateGradient: Slice, upGradient: Slice
    ) {
        precondition(
            [up, outputGradient, gateGradient, upGradient].allSatisfy { $0.count == gate.count }, "gradient of gated \(activation): counts differ")
        (self.activation, self.gate, self.up) = (activation, gate, up)
        (self.outputGradient, self.gateGradient, self.upGradient) = (outputGradient, gateGradient, upGradient)
    }

    package static let operandList: OperandList<Self> = [
        .reads("gate", \.gate), .reads("up", \.up), .reads("outputGradient", \.outputGradient), .writes("gateGradient", \.gateGradient),
        .writes("upGradient", \.upGradient),
    ]
}
