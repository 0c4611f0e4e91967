package import BitsKernels

// Arithmetic is float32 with one rounding to the result's type, which is the wider of the operands' (float32 unless both are the same 16-bit type).

extension Tensor {
    private static func combined(_ operation: BinaryElementwise.Operation, _ a: Tensor, _ b: Tensor) -> Tensor {
        guard let shape = Shape.broadcast(a.shape, b.shape) else {
            preconditionFailure("\(operation): shapes \(a.shape) and \(b.shape) do not broadcast")
        }
        precondition(a.device == b.device, "\(operation): operands on \(a.device.name) and \(b.device.name)")
        let (x, y, device) = (a.detached(), b.detached(), a.device)
        return a.result(shape, a.dtype == b.dtype ? a.dtype : .float32) {
            device.run(BinaryElementwise(operation, x.broadcast(to: shape).strided, y.broadcast(to: shape).strided, into: $0))
        }
    }

    /// `a + b`, element by element; the result has their type, or float32 where they differ. Shapes broadcast.
    public static func + (a: Tensor, b: Tensor) -> Tensor {
        let (sa, sb, da, db) = (a.shape, b.shape, a.dtype, b.dtype)
        return combined(.add, a, b).recorded(from: [a, b]) { [$0.summed(to: sa).cast(to: da), $0.summed(to: sb).cast(to: db)] }
    }

    /// `a - b`, element by element.
    public static func - (a: Tensor, b: Tensor) -> Tensor {
        let (sa, sb, da, db) = (a.shape, b.shape, a.dtype, b.dtype)
        return combined(.subtract, a, b).recorded(from: [a, b]) { [$0.summed(to: sa).cast(to: da), (-$0).summed(to: sb).cast(to: db)] }
    }

    /// `a * b`, element by element.
    public static func * (a: Tensor, b: Tensor) -> Tensor {
        let (x, y, wantsA, wantsB) = (a.detached(), b.detached(), a.node != nil, b.node != nil)
        return combined(.multiply, a, b).recorded(from: [a, b]) { g in
            [wantsA ? (g * y).summed(to: x.shape).cast(to: x.dtype) : nil, wantsB ? (g * x).summed(to: y.shape).cast(to: y.dtype) : nil]
        }
    }

    /// `a / b`, element by element, as IEEE divides: infinity or NaN where b is 0.
    public static func / (a: Tensor, b: Tensor) -> Tensor {
        let (x, y, wantsA, wantsB) = (a.detached(), b.detached(), a.node != nil, b.node != nil)
        return combined(.divide, a, b).recorded(from: [a, b]) { g in
            let scaled = g / y
            return [
                wantsA ? scaled.summed(to: x.shape).cast(to: x.dtype) : nil,
                wantsB ? (-(scaled * (x / y))).summed(to: y.shape).cast(to: y.dtype) : nil,
            ]
        }
    }

    /// Every element times `scale`.
    public static func * (a: Tensor, scale: Float) -> Tensor { a.scaled(by: scale, plus: 0) }
    /// Every element times `scale`.
    public static func * (scale: Float, a: Tensor) -> Tensor { a.scaled(by: scale, plus: 0) }
    /// Every element times `1 / divisor`, which is rounded first.
    public static func / (a: Tensor, divisor: Float) -> Tensor { a.scaled(by: 1 / divisor, plus: 0) }
    /// Every element plus `shift`.
    public static func + (a: Tensor, shift: Float) -> Tensor { a.scaled(by: 1, plus: shift) }
    /// Every element minus `shift`.
    public static func - (a: Tensor, shift: Float) -> Tensor { a.scaled(by: 1, plus: -shift) }
    /// Every element with the other sign.
    public static prefix func - (a: Tensor) -> Tensor { a.scaled(by: -1, plus: 0) }

    /// `scale * self + shift`.
    private func scaled(by scale: Float, plus shift: Float) -> Tensor {
        let result = empty(shape)
        device.run(ScaleAndShift(elements, scale: scale, shift: shift, into: result.slice))
        return result.recorded(from: [self]) { [$0 * scale] }
    }

    private func mapped(_ operation: UnaryElementwise.Operation) -> Tensor {
        let (input, result) = (elements, empty(shape))
        device.run(UnaryElementwise(operation, input, into: result.slice))
        return result.recorded(from: [self]) { gradient in
            let back = gradient.empty(gradient.shape)
            gradient.device.run(UnaryElementwiseGradient(operation, input: input, outputGradient: gradient.slice, into: back.slice))
            return [back]
        }
    }

    /// `e^x`, element by element.
    public func exp() -> Tensor { mapped(.exponential) }
    /// The natural logarithm: -infinity at 0, NaN below.
    public func log() -> Tensor { mapped(.logarithm) }
    /// The square root: NaN below 0.
    public func squareRoot() -> Tensor { mapped(.squareRoot) }
    /// `1 / sqrt(x)`: infinity at 0, NaN below.
    public func reciprocalSquareRoot() -> Tensor { mapped(.reciprocalSquareRoot) }
    /// The hyperbolic tangent.
    public func tanh() -> Tensor { mapped(.tanh) }
    /// `1 / (1 + e^-x)`.
    public func sigmoid() -> Tensor { mapped(.sigmoid) }
    /// `x * x`.
    public func squared() -> Tensor { mapped(.square) }
    /// `|x|`; its gradient at 0 is 0.
    public func absoluteValue() -> Tensor { mapped(.absolute) }

    /// The activation function applied to each element.
    public func activated(_ activation: Activation) -> Tensor { mapped(activation.operation) }
}

/// A pointwise nonlinearity, under the names of `config.json`.
public enum Activation: String, Sendable, CaseIterable {
    /// `x * sigmoid(x)`
    case silu
    /// `x * Phi(x)`, by the error function
    case gelu
    /// `0.5 x (1 + tanh(sqrt(2 / pi) (x + 0.044715 x^3)))`
    case geluTanh = "gelu_new"
    /// `max(x, 0)`
    case relu

    package var operation: UnaryElementwise.Operation {
        switch self {
        case .silu: .silu
        case .gelu: .gelu
        case .geluTanh: .geluTanh
        case .relu: .relu
        }
    }
}

/// `activation(gate) * up`, the gate of a gated feed-forward layer (Shazeer 2020); shapes equal.
public func gated(_ activation: Activation, gate: Tensor, up: Tensor) -> Tensor {
    precondition(gate.shape == up.shape && gate.dtype == up.dtype, "gate \(gate) and up \(up) differ")
    let (g, u, device) = (gate.elements, up.elements, gate.device)
    let compute: @Sendable (Slice) -> Void = { device.run(GatedActivation(activation.operation, gate: g, up: u, into: $0)) }
    let again: @Sendable () -> Slice = {
        let result = device.allocate(g.dtype, count: g.count)
        compute(result)
        return result
    }
    return gate.result(gate.shape, compute: compute).recorded(from: [gate, up], again: again) { gradient in
        let (gateGradient, upGradient) = (gradient.empty(gradient.shape), gradient.empty(gradient.shape))
        gradient.device.run(
            GatedActivationGradient(
                activation.operation, gate: g, up: u, outputGradient: gradient.slice, gateGradient: gateGradient.slice, upGradient: upGradient.slice))
        return [gateGradient, upGradient]
    }
}
