package import BitsKernels

/// What one step does to each element p of a parameter, with gradient g and moments s:
/// ```
/// g = g + coupledDecay * p
/// d = direction(g, s)              which also changes s
/// p = p * decay + step * d         rounded once to the parameter's type
/// ```
/// Elements whose gradient is not finite keep p and get zero moments, whatever the rule.
public struct ElementUpdate: Sendable {
    package var arithmetic: UpdateArithmetic

    package init(_ rule: ElementRule, step: Double, decay: Double = 1, coupledDecay: Double = 0, trust: TrustClip? = nil) {
        arithmetic = UpdateArithmetic(rule: rule, step: Float(step))
        arithmetic.decay = Float(decay)
        arithmetic.coupledDecay = Float(coupledDecay)
        arithmetic.trust = trust
    }

    /// A rule of your own. It runs element by element on the host, much slower than the rules that come with the package.
    ///
    /// - Parameters:
    ///   - step: usually minus the learning rate.
    ///   - direction: given the gradient and the moments, in the order of ``UpdateRule/moments``; changes the moments.
    public init(
        step: Double, decay: Double = 1, coupledDecay: Double = 0,
        direction: @escaping @Sendable (_ gradient: Float, _ moments: inout [Float]) -> Float
    ) {
        self.init(.custom(direction), step: step, decay: decay, coupledDecay: coupledDecay)
    }
}

/// `base` to the power `exponent`, by squaring: the same on every machine.
func power(_ base: Double, _ exponent: Int) -> Double {
    var (result, square, rest) = (1.0, base, exponent)
    while rest > 0 {
        if rest % 2 == 1 { result *= square }
        square *= square
        rest /= 2
    }
    return result
}
