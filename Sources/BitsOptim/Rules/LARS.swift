import BitsKernels

/// SGD with momentum whose step is held to a share of the parameter's length.
///
/// With the direction d of ``SGD``: `p = p - η U d`, where `U = min(1, maxUpdateNorm |p| / |d|)`, norms over the whole parameter.
/// This is bitsandbytes' reading: a bound on the step, not the paper's rescaling. It holds in 8 bits as in 32.
///
/// - Note: You et al. 2017, "Large Batch Training of Convolutional Networks", arXiv:1708.03888. Reference: `LARS`.
public struct LARS: UpdateRule {
    public static let name = "lars"
    private var sgd: SGD
    /// The longest step relative to the parameter, before the learning rate; 0 for no bound. Original: `max_unorm`.
    public var maxUpdateNorm: Double

    public init(
        learningRate: Double, momentum: Double = 0, dampening: Double = 0, weightDecay: Double = 0, nesterov: Bool = false,
        maxUpdateNorm: Double = 0.02
    ) {
        sgd = SGD(learningRate: learningRate, momentum: momentum, dampening: dampening, weightDecay: weightDecay, nesterov: nesterov)
        self.maxUpdateNorm = maxUpdateNorm
    }

    public var learningRate: Double {
        get { sgd.learningRate }
        set { sgd.learningRate = newValue }
    }
    public var momentum: Double {
        get { sgd.momentum }
        set { sgd.momentum = newValue }
    }
    public var dampening: Double {
        get { sgd.dampening }
        set { sgd.dampening = newValue }
    }
    public var weightDecay: Double {
        get { sgd.weightDecay }
        set { sgd.weightDecay = newValue }
    }
    public var nesterov: Bool {
        get { sgd.nesterov }
        set { sgd.nesterov = newValue }
    }

    public static let settings: [RuleSetting<LARS>] = [
        .number("lr", \.learningRate), .beta("momentum", fileKey: "betas[0]", \.momentum), .number("dampening", fileKey: "betas[1]", \.dampening),
        .number("weight_decay", \.weightDecay),
        .flag("nesterov", \.nesterov), .number("max_unorm", \.maxUpdateNorm),
    ]

    public var contradiction: String? { sgd.contradiction }
    public var moments: [Moment] { sgd.moments }

    public func update(step: Int, learningRate: Double) -> ElementUpdate {
        ElementUpdate(
            sgd.rule(step: step), step: -learningRate, coupledDecay: weightDecay,
            trust: maxUpdateNorm > 0 ? TrustClip(limit: Float(maxUpdateNorm), directionScale: 1) : nil)
    }
}
