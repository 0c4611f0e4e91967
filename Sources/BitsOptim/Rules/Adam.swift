import BitsKernels

/// Adam, with the weight decay of AdamW (off unless set).
///
/// With m and v starting at zero, at step t, for learning rate η and weight decay λ:
/// ```
/// m = β₁ m + (1 - β₁) g
/// v = β₂ v + (1 - β₂) g²
/// p = (p - η m̂ / (√v̂ + ε)) (1 - η λ)        m̂ = m / (1 - β₁ᵗ), v̂ = v / (1 - β₂ᵗ)
/// ```
/// Decay is decoupled from the gradient also here, as in bitsandbytes: Adam and ``AdamW`` differ in the default of `weightDecay` alone.
///
/// - Note: Kingma and Ba 2014, arXiv:1412.6980; with `amsgrad`, Reddi et al. 2018, arXiv:1904.09237. Reference: `Adam`.
public struct Adam: UpdateRule {
    public static let name = "adam"
    public var learningRate: Double
    public var betas: (first: Double, second: Double)
    public var epsilon: Double
    public var weightDecay: Double
    /// Divides by the largest v̂ so far instead of the current one. Needs 32-bit moments.
    public var amsgrad: Bool

    public init(
        learningRate: Double = 1e-3, betas: (first: Double, second: Double) = (0.9, 0.999), epsilon: Double = 1e-8, weightDecay: Double = 0,
        amsgrad: Bool = false
    ) {
        (self.learningRate, self.betas, self.epsilon, self.weightDecay, self.amsgrad) = (learningRate, betas, epsilon, weightDecay, amsgrad)
    }

    public static let settings: [RuleSetting<Adam>] = [
        .number("lr", \.learningRate), .beta("betas[0]", \.betas.first), .beta("betas[1]", \.betas.second), .number("eps", \.epsilon),
        .number("weight_decay", \.weightDecay), .flag("amsgrad", \.amsgrad),
    ]

    public var moments: [Moment] { amsgrad ? [.signed, .unsigned, .unsigned] : [.signed, .unsigned] }

    public var objectionTo8Bits: String? {
        amsgrad
            ? "amsgrad keeps a maximum, which every requantization in 8 bits would change, so that it is one no more; use 32-bit moments, or no amsgrad"
            : nil
    }

    public func update(step: Int, learningRate: Double) -> ElementUpdate {
        let correction = BiasCorrection(betas: betas, step: step)
        return ElementUpdate(
            correction.rule(betas: betas, epsilon: epsilon, amsgrad: amsgrad), step: -learningRate * correction.second / correction.first,
            decay: weightDecay > 0 ? 1 - learningRate * weightDecay : 1)
    }
}

/// What moments that start at zero have gathered of their weights: `1 - β₁ᵗ`, and the root of `1 - β₂ᵗ`.
///
/// With these, `η m̂ / (√v̂ + ε)` is `(η second / first) m / (√v + ε second)`.
struct BiasCorrection {
    var first = 1.0
    var second = 1.0

    /// No correction.
    init() {}

    init(betas: (first: Double, second: Double), step: Int) {
        first = Beta(betas.first).gathered(step)
        second = Beta(betas.second).gathered(step).squareRoot()
    }

    func rule(betas: (first: Double, second: Double), epsilon: Double, amsgrad: Bool) -> ElementRule {
        let (first, second) = (Beta(betas.first), Beta(betas.second))
        return .adam(
            ElementRule.Adam(
                beta1: first.kept, gain1: first.gain, beta2: second.kept, gain2: second.gain, epsilon: Float(epsilon * self.second),
                usesMaximum: amsgrad))
    }
}
