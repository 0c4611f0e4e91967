import BitsKernels

/// Adam whose step is held to a share of the parameter's length.
///
/// With the direction `d = m̂ / (√v̂ + ε)` of ``Adam``: `p = (p - η U d) (1 - η λ)`, where `U = min(1, maxUpdateNorm |p| / |d|)`, norms over the whole
/// parameter. This is bitsandbytes' reading: a bound on the step, not the paper's rescaling. It holds in 8 bits as in 32; a parameter that is zero
/// everywhere stays so.
///
/// - Note: You et al. 2019, "Large Batch Optimization for Deep Learning: Training BERT in 76 minutes", arXiv:1904.00962. Reference: `LAMB`.
public struct LAMB: UpdateRule {
    public static let name = "lamb"
    public var learningRate: Double
    /// Whether moments are divided by the weights they have gathered; without, `m̂ = m` and `v̂ = v`.
    public var biasCorrection: Bool
    public var betas: (first: Double, second: Double)
    public var epsilon: Double
    public var weightDecay: Double
    /// Divides by the largest v̂ so far. Needs 32-bit moments.
    public var amsgrad: Bool
    /// Whether decay is decoupled from the gradient; else λ p joins the gradient. Original: `adam_w_mode`.
    public var decouplesWeightDecay: Bool
    /// The longest step relative to the parameter, before the learning rate; 0 for no bound. Original: `max_unorm`.
    public var maxUpdateNorm: Double

    public init(
        learningRate: Double = 1e-3, biasCorrection: Bool = true, betas: (first: Double, second: Double) = (0.9, 0.999), epsilon: Double = 1e-8,
        weightDecay: Double = 0, amsgrad: Bool = false, decouplesWeightDecay: Bool = true, maxUpdateNorm: Double = 1
    ) {
        (self.learningRate, self.biasCorrection, self.betas, self.epsilon) = (learningRate, biasCorrection, betas, epsilon)
        (self.weightDecay, self.amsgrad, self.decouplesWeightDecay, self.maxUpdateNorm) = (weightDecay, amsgrad, decouplesWeightDecay, maxUpdateNorm)
    }

    public static let settings: [RuleSetting<LAMB>] = [
        .number("lr", \.learningRate), .flag("bias_correction", \.biasCorrection), .beta("betas[0]", \.betas.first),
        .beta("betas[1]", \.betas.second), .number("eps", \.epsilon), .number("weight_decay", \.weightDecay), .flag("amsgrad", \.amsgrad),
        .flag("adam_w_mode", \.decouplesWeightDecay), .number("max_unorm", \.maxUpdateNorm),
    ]

    public var moments: [Moment] { amsgrad ? [.signed, .unsigned, .unsigned] : [.signed, .unsigned] }
    public var objectionTo8Bits: String? { Adam(amsgrad: amsgrad).objectionTo8Bits }

    public func update(step: Int, learningRate: Double) -> ElementUpdate {
        let correction = biasCorrection ? BiasCorrection(betas: betas, step: step) : BiasCorrection()
        let scale = correction.second / correction.first
        return ElementUpdate(
            correction.rule(betas: betas, epsilon: epsilon, amsgrad: amsgrad), step: -learningRate * scale,
            decay: decouplesWeightDecay && weightDecay > 0 ? 1 - learningRate * weightDecay : 1,
            coupledDecay: decouplesWeightDecay ? 0 : weightDecay,
            trust: maxUpdateNorm > 0 ? TrustClip(limit: Float(maxUpdateNorm), directionScale: Float(scale)) : nil)
    }
}
