/// What every ``OptimizerClass`` takes beside its rule's settings: the arguments that all of bitsandbytes' classes share, and what this package adds.
public struct OptimizerOptions {
    /// Fewest elements for 8-bit moments. Original: `min_8bit_size`.
    public var minimum8bitCount = 4096
    /// 100 for none; below, each gradient is held to that percentile of its last hundred norms. Original: `percentile_clipping`.
    public var percentileClipping = 100
    /// Whether 8-bit moments are scaled per block. False is refused: one scale for all elements was removed from bitsandbytes 0.50 too.
    /// Original: `block_wise`.
    public var blockWise = true
    /// Original: `skip_zeros`.
    public var skipsZeros = false
    public var schedule = LearningRateSchedule.constant
    /// Not together with ``percentileClipping``.
    public var clipping: GradientClipping?
    /// Where paged moments go, and from which size on; nil for the usual. Only for constructors that page.
    public var paging: Paging?
    /// What single parameters do differently. Reference: `GlobalOptimManager`.
    public var overrides: ParameterOverrides

    public init(
        minimum8bitCount: Int = 4096, percentileClipping: Int = 100, blockWise: Bool = true, skipsZeros: Bool = false,
        schedule: LearningRateSchedule = .constant, clipping: GradientClipping? = nil, paging: Paging? = nil,
        overrides: ParameterOverrides = ParameterOverrides()
    ) {
        self.minimum8bitCount = minimum8bitCount
        self.percentileClipping = percentileClipping
        self.blockWise = blockWise
        self.skipsZeros = skipsZeros
        self.schedule = schedule
        self.clipping = clipping
        self.paging = paging
        self.overrides = overrides
    }

    /// What happens to large gradients, whichever way it was asked for.
    func resolvedClipping() throws(OptimizerError) -> GradientClipping? {
        guard percentileClipping != 100 else { return clipping }
        if clipping != nil { throw .contradiction(rule: "clipping", "gradients are clipped by percentile or in another way, not both") }
        return .percentile(percentileClipping)
    }

    /// How moments are kept that are to have so many bits.
    func moments(bits: Int, paged: Bool, rule: String) throws(OptimizerError) -> MomentStorage {
        guard blockWise else {
            throw .unsupported(
                "block_wise: false keeps one scale for a whole 8-bit moment, so that one outlier costs all precision; leave it true, or use 32 bits")
        }
        let moments = try MomentStorage(bits: bits, minimum8bitCount: minimum8bitCount, paged: paged)
        guard let paging else { return moments }
        guard paged else {
            throw .contradiction(rule: rule, "paging says where paged moments go, but these are not paged; use the paged constructor")
        }
        return moments.paged(paging)
    }
}

extension MomentStorage {
    /// 8 or 32 bits, as arguments give them.
    ///
    /// - Throws: ``OptimizerError/invalidSetting(rule:name:value:expected:)`` for any other number.
    public init(bits: Int, minimum8bitCount: Int = 4096, paged: Bool = false) throws(OptimizerError) {
        switch MomentBits(rawValue: bits) {
        case .eight: self = .blockwise8bit(minimumCount: minimum8bitCount, paged: paged)
        case .thirtyTwo: self = .float32(minimumCount: minimum8bitCount, paged: paged)
        case nil: throw .invalidSetting(rule: "moments", name: "optim_bits", value: "\(bits)", expected: "8 or 32")
        }
    }
}
