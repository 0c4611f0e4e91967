import BitsSystem

extension BinaryElementwise {
    package func reference(_ memory: some ReferenceMemory) {
        memory.store(zip(memory.floats(lhs), memory.floats(rhs)).map { operation($0, $1) }, to: output)
    }
}

extension BinaryElementwise.Operation {
    /// The maximum is NaN where an operand is.
    func callAsFunction(_ a: Float, _ b: Float) -> Float {
        switch self {
        case .add: a + b
        case .subtract: a - b
        case .multiply: a * b
        case .divide: a / b
        case .maximum: a > b || a.isNaN ? a : b
        }
    }
}

extension SumOfTerms {
    package func reference(_ memory: some ReferenceMemory) {
        let terms = terms.map { memory.floats($0) }
        memory.store(terms[0].indices.map { i in terms.dropFirst().reduce(terms[0][i]) { $0 + $1[i] } }, to: output)
    }
}

extension ScaleAndShift {
    package func reference(_ memory: some ReferenceMemory) {
        memory.store(memory.floats(input).map { scale * $0 + shift }, to: output)
    }
}

extension UnaryElementwise {
    package func reference(_ memory: some ReferenceMemory) {
        memory.store(memory.floats(input).map { Float(operation(Double($0))) }, to: output)
    }
}

extension UnaryElementwiseGradient {
    package func reference(_ memory: some ReferenceMemory) {
        let gradient = zip(memory.floats(input), memory.floats(outputGradient)).map { x, g in Float(Double(g) * operation.slope(at: Double(x))) }
        memory.store(gradient, to: inputGradient)
    }
}

extension GatedActivation {
    package func reference(_ memory: some ReferenceMemory) {
        memory.store(zip(memory.floats(gate), memory.floats(up)).map { Float(activation(Double($0)) * Double($1)) }, to: output)
    }
}

extension GatedActivationGradient {
    package func reference(_ memory: some ReferenceMemory) {
        let gate = memory.floats(gate).map(Double.init)
        let up = memory.floats(up).map(Double.init)
        let gradient = memory.floats(outputGradient).map(Double.init)
        memory.store(gradient.indices.map { Float(gradient[$0] * up[$0] * activation.slope(at: gate[$0])) }, to: gateGradient)
        memory.store(gradient.indices.map { Float(gradient[$0] * activation(gate[$0])) }, to: upGradient)
    }
}

extension UnaryElementwise.Operation {
    package func callAsFunction(_ x: Double) -> Double {
        switch self {
        case .negate: -x
        case .exponential: exp(x)
        case .logarithm: log(x)
        case .squareRoot: x.squareRoot()
        case .reciprocalSquareRoot: 1 / x.squareRoot()
        case .tanh: BitsSystem.tanh(x)
        case .sigmoid: logistic(x)
        case .silu: x * logistic(x)
        case .gelu: x * normalDistribution(x)
        case .geluTanh: x * logistic(2 * geluArgument(x))  // 0.5 * (1 + tanh(u))
        case .relu: x <= 0 ? 0 : x
        case .square: x * x
        case .absolute: abs(x)
        case .reciprocal: 1 / x
        }
    }

    /// The derivative; 0 at the kinks of relu and absolute.
    package func slope(at x: Double) -> Double {
        switch self {
        case .negate: return -1
        case .exponential: return exp(x)
        case .logarithm: return 1 / x
        case .squareRoot: return 0.5 / x.squareRoot()
        case .reciprocalSquareRoot: return -0.5 / (x * x.squareRoot())
        case .tanh: return 1 - BitsSystem.tanh(x) * BitsSystem.tanh(x)
        case .sigmoid: return logistic(x) * (1 - logistic(x))
        case .silu: return logistic(x) * (1 + x * (1 - logistic(x)))
        case .gelu: return normalDistribution(x) + x * exp(-0.5 * x * x) / (2 * Double.pi).squareRoot()
        case .geluTanh:
            let s = logistic(2 * geluArgument(x))
            return s + x * s * (1 - s) * 2 * (2 / Double.pi).squareRoot() * (1 + 3 * 0.044715 * x * x)
        case .relu: return x <= 0 ? 0 : 1
        case .square: return 2 * x
        case .absolute: return x == 0 ? 0 : x < 0 ? -1 : 1
        case .reciprocal: return -1 / (x * x)
        }
    }
}

private func logistic(_ x: Double) -> Double { 1 / (1 + exp(-x)) }

/// The distribution function of the standard normal distribution.
private func normalDistribution(_ x: Double) -> Double { 0.5 * erfc(-x / 2.0.squareRoot()) }

private func geluArgument(_ x: Double) -> Double { (2 / Double.pi).squareRoot() * (x + 0.044715 * x * x * x) }
