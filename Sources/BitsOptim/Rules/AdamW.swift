/// Adam with decoupled weight decay.
///
/// The same arithmetic as ``Adam``, with a decay of 0.01 unless told otherwise.
///
/// - Note: Loshchilov and Hutter 2017, arXiv:1711.05101. Reference: `AdamW`.
public struct AdamW: UpdateRule {
    public static let name = "adamw"
    private var adam: Adam

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
        adam = Adam(learningRate: learningRate, betas: betas, epsilon: epsilon, weightDecay: weightDecay, amsgrad: amsgrad)
    }

    public var learningRate: Double {
        get { adam.learningRate }
        set { adam.learningRate = newValue }
    }
    public var betas: (first: Double, second: Double) {
        get { adam.betas }
        set { adam.betas = newValue }
    }
    public var epsilon: Double {
        get { adam.epsilon }
        set { adam.epsilon = newValue }
    }
    public var weightDecay: Double {
        get { adam.weightDecay }
        set { adam.weightDecay = newValue }
    }
    public var amsgrad: Bool {
        get { adam.amsgrad }
        set { adam.amsgrad = newValue }
    }

    public static let settings: [RuleSetting<AdamW>] = [
        .number("lr", \.learningRate), .beta("betas[0]", \.betas.first), .beta("betas[1]", \.betas.second), .number("eps", \.epsilon),
        .number("weight_decay", \.weightDecay), .flag("amsgrad", \.amsgrad),
    ]

    public var moments: [Moment] { adam.moments }
    public var objectionTo8Bits: String? { adam.objectionTo8Bits }

    public func update(step: Int, learningRate: Double) -> ElementUpdate { adam.update(step: step, learningRate: learningRate) }
}
