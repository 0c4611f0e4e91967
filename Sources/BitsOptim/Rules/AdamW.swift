/// Adam with decoupled weight decay.
///
/// The same arithmetic as ``Adam``, with a decay of 0.01 unless told otherwise; its settings are Adam's: `betas`, `epsilon`, `weightDecay`, `amsgrad`.
///
/// - Note: Loshchilov and Hutter 2017, arXiv:1711.05101. Reference: `AdamW`.
public struct AdamW: DerivedRule {
    public static let name = "adamw"
    public var base: Adam

    /// - Parameters:
    ///   - learningRate: 0 or above.
    ///   - betas: 0 or above, below 1; how much of the moments a step keeps.
    ///   - epsilon: 0 or above; keeps steps finite where gradients vanish.
    ///   - weightDecay: 0 or above; the share of a parameter, times the learning rate, that a step takes off.
    ///   - amsgrad: divides by the largest second moment so far. Needs 32-bit moments.
    public init(
        learningRate: Double = 1e-3, betas: (first: Double, second: Double) = (0.9, 0.999), epsilon: Double = 1e-8, weightDecay: Double = 1e-2,
        amsgrad: Bool = false
    ) {
        base = Adam(learningRate: learningRate, betas: betas, epsilon: epsilon, weightDecay: weightDecay, amsgrad: amsgrad)
    }

    public static let settings = Adam.settings.map { $0.of(\AdamW.base) }

    public func update(step: Int, learningRate: Double) -> ElementUpdate { base.update(step: step, learningRate: learningRate) }
}
