/// Everything that one step does to an element: the rule, and what surrounds every rule.
///
/// ```
/// g' = limited(scale * g)            where scale * g or a new s is not finite, p stays and the moments become zero
/// g' = fma(coupledDecay, p, g')      where coupledDecay is not 0
/// d  = rule(g', s)
/// p  = T(p * decay)                  where decaysFirst
/// p  = T(fma(step * U, d, p))        T rounds to the parameter's type
/// p  = T(p * decay)                  elsewhere
/// ```
package struct UpdateArithmetic: Sendable {
    package var rule: ElementRule
    /// Negative: the learning rate, with the rule's bias correction where it has one.
    package var step: Float
    /// What decoupled weight decay leaves of the parameter.
    package var decay: Float = 1
    /// Whether the decay comes before the step; else after it.
    package var decaysFirst = false
    /// The share of the parameter that joins its gradient.
    package var coupledDecay: Float = 0
    /// The largest magnitude of a gradient's element.
    package var gradientLimit: Float = .infinity
    /// Whether an element whose gradient is zero keeps its value and moments, and a block of such elements its codes.
    package var skipsZeros = false
    /// nil: U = 1.
    package var trust: TrustClip?

    package init(rule: ElementRule, step: Float) {
        self.rule = rule
        self.step = step
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
