import BitsKernels

/// Gradients divided by the root of their running mean square.
///
/// ```
/// g = g + λ p
/// v = α v + (1 - α) g²
/// d = g / (√v + ε)               centered: g / (√(v - ḡ²) + ε), with ḡ = α ḡ + (1 - α) g
/// p = p - η d                    with momentum μ: b = μ b + d, p = p - η b
/// ```
///
/// - Note: Tieleman and Hinton 2012, lecture 6.5 of "Neural Networks for Machine Learning"; centered, Graves 2013, arXiv:1308.0850. Reference: `RMSprop`.
public struct RMSprop: UpdateRule {
    public static let name = "rmsprop"
    public var learningRate: Double
    /// What the mean square keeps; above 0, below 1.
    public var alpha: Double
    public var epsilon: Double
    /// Added to the gradient, times the parameter.
    public var weightDecay: Double
    public var momentum: Double
    /// Divides by the standard deviation instead of the mean square. Needs 32-bit moments.
    public var centered: Bool

    public init(
        learningRate: Double = 1e-2, alpha: Double = 0.99, epsilon: Double = 1e-8, weightDecay: Double = 0, momentum: Double = 0,
        centered: Bool = false
    ) {
        (self.learningRate, self.alpha, self.epsilon) = (learningRate, alpha, epsilon)
        (self.weightDecay, self.momentum, self.centered) = (weightDecay, momentum, centered)
    }

    public static let settings: [RuleSetting<RMSprop>] = [
        .number("lr", \.learningRate), .positiveBeta("alpha", fileKey: "betas[0]", \.alpha), .beta("momentum", fileKey: "betas[1]", \.momentum),
        .number("eps", \.epsilon),
        .number("weight_decay", \.weightDecay), .flag("centered", \.centered),
    ]

    /// The mean square, then the momentum and the mean where there are. The mean square has signed codes, as in bitsandbytes' files.
    public var moments: [Moment] { [.signed] + (momentum > 0 ? [.signed] : []) + (centered ? [.signed] : []) }

    public var objectionTo8Bits: String? {
        centered
            ? "centered takes the difference of two moments, which vanishes in the rounding of 8 bits; use 32-bit moments, or centered: false" : nil
    }

    public func update(step: Int, learningRate: Double) -> ElementUpdate {
        let rule = ElementRule.RMSProp(
            beta: Beta(alpha).kept, gain: Beta(alpha).gain, epsilon: Float(epsilon), momentum: momentum > 0 ? Float(momentum) : nil,
            isCentered: centered)
        return ElementUpdate(.rmsProp(rule), step: -learningRate, coupledDecay: weightDecay)
    }
}
