/// What one parameter does differently from its group: settings that are nil stay the group's.
///
/// ```swift
/// try optimizer.override(model.embedTokens.weight, ParameterOverride(bits: .thirtyTwo))
/// try optimizer.override(named: "*.bias", ParameterOverride(weightDecay: 0))
/// ```
/// Reference: the configurations of `GlobalOptimManager`.
public struct ParameterOverride: Sendable, Equatable {
    /// In what the moments are kept; counts when they are made, at the parameter's first step. Original: `optim_bits`.
    public var bits: MomentBits?
    public var learningRate: Double?
    /// As many as the rule has.
    public var betas: [Double]?
    public var epsilon: Double?
    public var weightDecay: Double?
    /// Fewest elements for 8-bit moments. Original: `min_8bit_size`.
    public var minimum8bitCount: Int?
    /// Whether elements with a zero gradient are left alone, for sparse gradients. Original: `skip_zeros`.
    public var skipsZeros: Bool?
    /// 100 for none; below, the gradient is held to that percentile of its last hundred norms. Original: `percentile_clipping`.
    public var percentileClipping: Int?
    /// Settings that only some rules have, by their names: `alpha`, `max_unorm`, ...
    public var others: [String: Double]

    public init(
        bits: MomentBits? = nil, learningRate: Double? = nil, betas: [Double]? = nil, epsilon: Double? = nil, weightDecay: Double? = nil,
        minimum8bitCount: Int? = nil, skipsZeros: Bool? = nil, percentileClipping: Int? = nil, others: [String: Double] = [:]
    ) {
        self.bits = bits
        self.learningRate = learningRate
        self.betas = betas
        self.epsilon = epsilon
        self.weightDecay = weightDecay
        self.minimum8bitCount = minimum8bitCount
        self.skipsZeros = skipsZeros
        self.percentileClipping = percentileClipping
        self.others = others
    }

    /// This, with what `later` says in its place.
    func merged(with later: ParameterOverride) -> ParameterOverride {
        ParameterOverride(
            bits: later.bits ?? bits, learningRate: later.learningRate ?? learningRate, betas: later.betas ?? betas,
            epsilon: later.epsilon ?? epsilon, weightDecay: later.weightDecay ?? weightDecay,
            minimum8bitCount: later.minimum8bitCount ?? minimum8bitCount, skipsZeros: later.skipsZeros ?? skipsZeros,
            percentileClipping: later.percentileClipping ?? percentileClipping, others: others.merging(later.others) { $1 })
    }

    /// The rule's settings that this replaces, by their names.
    private var settings: [(name: String, value: Double)] {
        var settings: [(String, Double)] = []
        if let learningRate { settings.append(("lr", learningRate)) }
        for (index, beta) in (betas ?? []).enumerated() { settings.append(("betas[\(index)]", beta)) }
        if let epsilon { settings.append(("eps", epsilon)) }
        if let weightDecay { settings.append(("weight_decay", weightDecay)) }
        return settings + others.sorted { $0.key < $1.key }.map { ($0.key, $0.value) }
    }

    /// `rule` with this override's settings in place of its own.
    func applied(to rule: any UpdateRule) throws(OptimizerError) -> any UpdateRule {
        var rule = rule
        for (name, value) in settings { try rule.change(name, to: .number(value)) }
        try rule.validate()
        if let percentileClipping, !(0...100).contains(percentileClipping) {
            throw .invalidSetting(
                rule: "an override", name: "percentile_clipping", value: "\(percentileClipping)", expected: "0 to 99, or 100 for none")
        }
        return rule
    }
}

/// In what moments are kept.
public enum MomentBits: Int, Sendable {
    case eight = 8
    case thirtyTwo = 32
}
