package import BitsKernels

/// What one step does to each element p of a parameter, with gradient g and moments s:
/// ```
/// g = g + coupledDecay * p
/// d = direction(g, s)              which also changes s
/// p = (p + step * d) * decay       rounded to the parameter's type after the step and after the decay
/// ```
/// Elements whose gradient or new moments are not finite keep p and get zero moments, whatever the rule.
public struct ElementUpdate: Sendable {
    package var arithmetic: UpdateArithmetic

    package init(
        _ rule: ElementRule, step: Double, decay: Double = 1, decaysFirst: Bool = false, coupledDecay: Double = 0, trust: TrustClip? = nil
    ) {
        arithmetic = UpdateArithmetic(rule: rule, step: Float(step))
        arithmetic.decay = Float(decay)
        arithmetic.decaysFirst = decaysFirst
        arithmetic.coupledDecay = Float(coupledDecay)
        arithmetic.trust = trust
    }

    /// A rule of your own. It runs element by element on the host, much slower than the rules that come with the package.
    ///
    /// - Parameters:
    ///   - step: usually minus the learning rate.
    ///   - decaysFirst: p = p * decay + step * d instead, rounded after the decay and after the step.
    ///   - direction: given the gradient and the moments, in the order of ``UpdateRule/moments``; changes the moments.
    public init(
        step: Double, decay: Double = 1, decaysFirst: Bool = false, coupledDecay: Double = 0,
        direction: @escaping @Sendable (_ gradient: Float, _ moments: inout [Float]) -> Float
    ) {
        self.init(.custom(direction), step: step, decay: decay, decaysFirst: decaysFirst, coupledDecay: coupledDecay)
    }
}

/// Betas are rounded to float32 before anything is computed from them, so that shares and bias corrections belong to the beta that is used.
struct Beta {
    let kept: Float

    init(_ beta: Double) { kept = Float(beta) }

    /// The share of what is new.
    var gain: Float { 1 - kept }

    /// `1 - beta^step`, in double precision.
    func gathered(_ step: Int) -> Double { 1 - power(Double(kept), step) }
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
