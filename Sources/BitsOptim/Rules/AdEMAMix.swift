import BitsKernels
import BitsSystem

/// Adam with a second, much slower average of the gradient.
///
/// ```
/// m = β₁ m + (1 - β₁) g      n = β₃ n + (1 - β₃) g      v = β₂ v + (1 - β₂) g²
/// p = (p - η (m̂ + α n) / (√v̂ + ε)) (1 - η λ)        m̂ = m / (1 - β₁ᵗ), v̂ = v / (1 - β₂ᵗ)
/// ```
/// α and β₃ may grow to their values over a number of steps, so that the slow average does not swamp early training:
/// `αₜ = min(α t / T, α)` and `β₃ₜ = min(exp(ln β₁ ln β₃ / ((1 - t/T) ln β₃ + t/T ln β₁)), β₃)`.
///
/// - Note: Pagliardini et al. 2024, arXiv:2409.03137. Reference: `AdEMAMix`.
public struct AdEMAMix: UpdateRule {
    public static let name = "ademamix"
    public var learningRate: Double
    public var betas: (first: Double, second: Double, third: Double)
    /// The weight of the slow average.
    public var alpha: Double
    /// Steps over which `alpha` grows; nil or 0 for none. Original: `t_alpha`.
    public var alphaSteps: Int?
    /// Steps over which the third beta grows; nil or 0 for none. Original: `t_beta3`.
    public var beta3Steps: Int?
    public var epsilon: Double
    public var weightDecay: Double

    public init(
        learningRate: Double = 1e-3, betas: (first: Double, second: Double, third: Double) = (0.9, 0.999, 0.9999), alpha: Double = 5,
        alphaSteps: Int? = nil, beta3Steps: Int? = nil, epsilon: Double = 1e-8, weightDecay: Double = 1e-2
    ) {
        (self.learningRate, self.betas, self.alpha, self.alphaSteps) = (learningRate, betas, alpha, alphaSteps)
        (self.beta3Steps, self.epsilon, self.weightDecay) = (beta3Steps, epsilon, weightDecay)
    }

    public static let settings: [RuleSetting<AdEMAMix>] = [
        .number("lr", \.learningRate), .beta("betas[0]", \.betas.first), .beta("betas[1]", \.betas.second), .beta("betas[2]", \.betas.third),
        .number("eps", \.epsilon), .number("weight_decay", \.weightDecay), .number("alpha", \.alpha), .steps("t_alpha", \.alphaSteps),
        .steps("t_beta3", \.beta3Steps),
    ]

    public static let momentsInFirstEntry = 2

    /// The fast average, the slow one, the second moment.
    public var moments: [Moment] { [.signed, .signed, .unsigned] }

    public func update(step: Int, learningRate: Double) -> ElementUpdate {
        let correction = BiasCorrection(betas: (betas.first, betas.second), step: step)
        let (first, second, third) = (Beta(betas.first), Beta(betas.second), Beta(beta3(at: step)))
        let rule = ElementRule.AdEMAMix(
            beta1: first.kept, gain1: first.gain, beta2: second.kept, gain2: second.gain, beta3: third.kept, gain3: third.gain,
            alpha: Float(alpha(at: step)), bias: Float(1 / correction.first), epsilon: Float(epsilon * correction.second))
        return ElementUpdate(
            .adEMAMix(rule), step: -learningRate * correction.second, decay: weightDecay > 0 ? 1 - learningRate * weightDecay : 1)
    }

    /// The weight of the slow average at step `step`.
    public func alpha(at step: Int) -> Double {
        guard let alphaSteps, alphaSteps > 0 else { return alpha }
        return min(Double(step) * alpha / Double(alphaSteps), alpha)
    }

    /// What the slow average keeps at step `step`.
    public func beta3(at step: Int) -> Double {
        guard let beta3Steps, beta3Steps > 0, betas.first > 0, betas.third > 0 else { return betas.third }
        let (fast, slow, progress) = (log(betas.first), log(betas.third), Double(step) / Double(beta3Steps))
        if progress >= 1 { return betas.third }
        return min(exp(fast * slow / ((1 - progress) * slow + progress * fast)), betas.third)
    }
}
