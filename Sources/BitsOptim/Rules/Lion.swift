import BitsKernels

/// Steps of one length, in the direction that an average of the gradient points to.
///
/// ```
/// d = sign(β₁ m + (1 - β₁) g)      sign(0) = 0
/// m = β₂ m + (1 - β₂) g
/// p = p (1 - η λ) - η d
/// ```
///
/// - Note: Chen et al. 2023, "Symbolic Discovery of Optimization Algorithms", arXiv:2302.06675. Reference: `Lion`.
public struct Lion: UpdateRule {
    public static let name = "lion"
    public var learningRate: Double
    public var betas: (first: Double, second: Double)
    public var weightDecay: Double

    public init(learningRate: Double = 1e-4, betas: (first: Double, second: Double) = (0.9, 0.99), weightDecay: Double = 0) {
        (self.learningRate, self.betas, self.weightDecay) = (learningRate, betas, weightDecay)
    }

    public static let settings: [RuleSetting<Lion>] = [
        .number("lr", \.learningRate), .beta("betas[0]", \.betas.first), .beta("betas[1]", \.betas.second), .number("weight_decay", \.weightDecay),
    ]

    public var moments: [Moment] { [.signed] }

    public func update(step: Int, learningRate: Double) -> ElementUpdate {
        let (first, second) = (Beta(betas.first), Beta(betas.second))
        let rule = ElementRule.Lion(beta1: first.kept, gain1: first.gain, beta2: second.kept, gain2: second.gain)
        return ElementUpdate(.lion(rule), step: -learningRate, decay: weightDecay > 0 ? 1 - learningRate * weightDecay : 1, decaysFirst: true)
    }
}
