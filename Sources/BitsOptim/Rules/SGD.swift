import BitsKernels

/// Stochastic gradient descent, with momentum if wanted.
///
/// ```
/// g = g + λ p
/// m = g at the first step, then μ m + (1 - τ) g       momentum μ, dampening τ
/// p = p - η m                                         nesterov: p - η (g + μ m)
/// ```
/// Without momentum no moment is kept and the step is `-η g`.
///
/// - Note: Sutskever et al. 2013 for momentum and Nesterov's variant. Reference: `SGD`.
public struct SGD: UpdateRule {
    public static let name = "momentum"
    public var learningRate: Double
    public var momentum: Double
    /// The share of a new gradient that does not enter the moment.
    public var dampening: Double
    /// Added to the gradient, times the parameter.
    public var weightDecay: Double
    /// Looks ahead: needs a momentum and no dampening.
    public var nesterov: Bool

    public init(learningRate: Double, momentum: Double = 0, dampening: Double = 0, weightDecay: Double = 0, nesterov: Bool = false) {
        (self.learningRate, self.momentum, self.dampening) = (learningRate, momentum, dampening)
        (self.weightDecay, self.nesterov) = (weightDecay, nesterov)
    }

    public static let settings: [RuleSetting<SGD>] = [
        .number("lr", \.learningRate), .beta("momentum", fileKey: "betas[0]", \.momentum), .number("dampening", fileKey: "betas[1]", \.dampening),
        .number("weight_decay", \.weightDecay),
        .flag("nesterov", \.nesterov),
    ]

    public var contradiction: String? {
        nesterov && (momentum == 0 || dampening != 0) ? "nesterov needs a momentum and no dampening, not \(momentum) and \(dampening)" : nil
    }

    public var moments: [Moment] { momentum > 0 ? [.signed] : [] }

    public func update(step: Int, learningRate: Double) -> ElementUpdate {
        ElementUpdate(rule(step: step), step: -learningRate, coupledDecay: weightDecay)
    }

    func rule(step: Int) -> ElementRule {
        .momentum(ElementRule.Momentum(beta: Float(momentum), gain: Float(1 - dampening), isFirst: step == 1, isNesterov: nesterov))
    }
}
