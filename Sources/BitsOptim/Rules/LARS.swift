import BitsKernels

/// SGD with momentum whose step is held to a share of the parameter's length.
///
/// With the direction d of ``SGD``: `p = p - η U d`, where `U = min(1, maxUpdateNorm |p| / |d|)`, norms over the whole parameter.
/// This is bitsandbytes' reading: a bound on the step, not the paper's rescaling. It holds in 8 bits as in 32. Its other settings are SGD's: `momentum`,
/// `dampening`, `weightDecay`, `nesterov`.
///
/// - Note: You et al. 2017, "Large Batch Training of Convolutional Networks", arXiv:1708.03888. Reference: `LARS`.
public struct LARS: DerivedRule {
    public static let name = "lars"
    public var base: SGD
    /// The longest step relative to the parameter, before the learning rate; 0 for no bound. Original: `max_unorm`.
    public var maxUpdateNorm: Double

    public init(
        learningRate: Double, momentum: Double = 0, dampening: Double = 0, weightDecay: Double = 0, nesterov: Bool = false,
        maxUpdateNorm: Double = 0.02
    ) {
        base = SGD(learningRate: learningRate, momentum: momentum, dampening: dampening, weightDecay: weightDecay, nesterov: nesterov)
        self.maxUpdateNorm = maxUpdateNorm
    }

    public static let settings = SGD.settings.map { $0.of(\LARS.base) } + [.number("max_unorm", \.maxUpdateNorm)]

    public func update(step: Int, learningRate: Double) -> ElementUpdate {
        ElementUpdate(
            base.rule(step: step), step: -learningRate, coupledDecay: base.weightDecay,
            trust: maxUpdateNorm > 0 ? TrustClip(limit: Float(maxUpdateNorm), directionScale: 1) : nil)
    }
}
