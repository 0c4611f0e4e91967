/// What one step of an optimizer does to each element p of a parameter, with gradient g and moments s: the rule, and what surrounds every rule.
///
/// ```
/// g' = limited(scale * g)            where scale * g or a new s is not finite, p stays and the moments become zero
/// g' = fma(coupledDecay, p, g')      where coupledDecay is not 0
/// d  = rule(g', s)                   which also changes s
/// p  = T(p * decay)                  where decaysFirst
/// p  = T(fma(step * U, d, p))        T rounds to the parameter's type
/// p  = T(p * decay)                  elsewhere
/// ```
public struct ElementUpdate: Sendable {
    package var rule: ElementRule
    /// Negative: the learning rate, with the rule's bias correction where it has one.
    package var step: Float
    /// What decoupled weight decay leaves of the parameter.
    package var decay: Float
    /// Whether the decay comes before the step; else after it.
    package var decaysFirst: Bool
    /// The share of the parameter that joins its gradient.
    package var coupledDecay: Float
    /// The largest magnitude of a gradient's element.
    package var gradientLimit = Float.infinity
    /// Whether an element whose gradient is zero keeps its value and moments, and a block of such elements its codes.
    package var skipsZeros = false
    /// nil: U = 1.
    package var trust: TrustClip?

    package init(
        _ rule: ElementRule, step: Double, decay: Double = 1, decaysFirst: Bool = false, coupledDecay: Double = 0, trust: TrustClip? = nil
    ) {
        self.rule = rule
        self.step = Float(step)
        self.decay = Float(decay)
        self.decaysFirst = decaysFirst
        self.coupledDecay = Float(coupledDecay)
        self.trust = trust
    }

    /// A rule of your own. It runs element by element on the host, much slower than the rules that come with the package.
    ///
    /// - Parameters:
    ///   - step: usually minus the learning rate.
    ///   - decaysFirst: p = p * decay + step * d instead, rounded after the decay and after the step.
    ///   - direction: given the gradient and the moments, in the order of the rule's `moments`; changes the moments.
    public init(
        step: Double, decay: Double = 1, decaysFirst: Bool = false, coupledDecay: Double = 0,
        direction: @escaping @Sendable (_ gradient: Float, _ moments: inout [Float]) -> Float
    ) {
        self.init(.custom(direction), step: step, decay: decay, decaysFirst: decaysFirst, coupledDecay: coupledDecay)
    }
}

/// A bound on the length of a step relative to the parameter's: `U = min(1, limit * |p| / (directionScale * |d|))`, with norms summed as
/// ``VectorNorm`` does and left in double precision until U is rounded.
package struct TrustClip: Sendable {
    package var limit: Float
    package var directionScale: Float

    package init(limit: Float, directionScale: Float) {
        precondition(limit > 0, "a trust limit of \(limit)")
        self.limit = limit
        self.directionScale = directionScale
    }
}
