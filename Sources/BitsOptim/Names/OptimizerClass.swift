public import BitsCore

/// One of bitsandbytes' classes of optimizers: a rule, the bits of its moments, and whether they are paged. Called, it makes an optimizer.
///
/// ```swift
/// let optimizer = try Optimizer.adamW8bit(model.namedParameters(), AdamW(learningRate: 2e-4))
/// let other = try Optimizer.pagedLion32bit(groups: [ParameterGroup(weights, rule: Lion(weightDecay: 0.1)), ParameterGroup(biases, rule: Lion())])
/// ```
/// The rule holds the arguments that not every class has, with bitsandbytes' defaults, and may be left out where all of them have one;
/// ``OptimizerOptions`` holds the others.
public struct OptimizerClass<Rule: UpdateRule>: Sendable {
    /// nil: as the call says.
    let bits: MomentBits?
    let isPaged: Bool

    init(_ bits: MomentBits? = nil, paged: Bool = false) {
        self.bits = bits
        isPaged = paged
    }

    /// An optimizer of groups, whose rules are all of this class's kind.
    ///
    /// - Parameters:
    ///   - bits: of the moments, 8 or 32; nil for those of the class, or 32. Original: `optim_bits`.
    ///   - paged: pages the moments of a class that does not do so anyway. Original: `is_paged`.
    /// - Throws: ``OptimizerError`` for a group with another rule, bits that the class does not have, options that exclude each other, and as
    ///   ``Optimizer/init(groups:moments:schedule:clipping:skipsZeros:overrides:)``.
    public func callAsFunction(
        groups: [ParameterGroup], bits: Int? = nil, paged: Bool = false, options: OptimizerOptions = OptimizerOptions()
    ) throws(OptimizerError) -> Optimizer {
        if let other = groups.first(where: { !($0.rule is Rule) }) {
            throw .contradiction(rule: Rule.name, "a group has the rule \(type(of: other.rule).name); give all groups of this class \(Rule.self)")
        }
        if let own = self.bits, let bits, bits != own.rawValue {
            throw .contradiction(
                rule: Rule.name, "this class keeps moments in \(own.rawValue) bits, not \(bits); use the one without bits in its name")
        }
        let moments = try options.moments(bits: self.bits?.rawValue ?? bits ?? 32, paged: isPaged || paged, rule: Rule.name)
        return try Optimizer(
            groups: groups, moments: moments, schedule: options.schedule, clipping: try options.resolvedClipping(), skipsZeros: options.skipsZeros,
            overrides: options.overrides)
    }

    /// An optimizer of parameters with their paths, as `Module.namedParameters()` gives them; the rest as ``callAsFunction(groups:bits:paged:options:)``.
    public func callAsFunction(
        _ named: [(path: String, parameter: Parameter)], _ rule: Rule, bits: Int? = nil, paged: Bool = false,
        options: OptimizerOptions = OptimizerOptions()
    ) throws(OptimizerError) -> Optimizer {
        try self(groups: [ParameterGroup(named, rule: rule)], bits: bits, paged: paged, options: options)
    }

    /// An optimizer of parameters without names; the rest as ``callAsFunction(groups:bits:paged:options:)``.
    public func callAsFunction(
        _ parameters: [Parameter], _ rule: Rule, bits: Int? = nil, paged: Bool = false, options: OptimizerOptions = OptimizerOptions()
    ) throws(OptimizerError) -> Optimizer {
        try self(groups: [ParameterGroup(parameters, rule: rule)], bits: bits, paged: paged, options: options)
    }
}

/// A rule all of whose settings have a default in bitsandbytes.
public protocol StandardRule: UpdateRule {
    static var standard: Self { get }
}

extension Adam: StandardRule { public static var standard: Adam { Adam() } }
extension AdamW: StandardRule { public static var standard: AdamW { AdamW() } }
extension AdEMAMix: StandardRule { public static var standard: AdEMAMix { AdEMAMix() } }
extension LAMB: StandardRule { public static var standard: LAMB { LAMB() } }
extension Lion: StandardRule { public static var standard: Lion { Lion() } }
extension RMSprop: StandardRule { public static var standard: RMSprop { RMSprop() } }
extension Adagrad: StandardRule { public static var standard: Adagrad { Adagrad() } }

extension OptimizerClass where Rule: StandardRule {
    /// An optimizer of parameters with their paths, with the rule's defaults.
    public func callAsFunction(
        _ named: [(path: String, parameter: Parameter)], bits: Int? = nil, paged: Bool = false, options: OptimizerOptions = OptimizerOptions()
    ) throws(OptimizerError) -> Optimizer {
        try self(named, .standard, bits: bits, paged: paged, options: options)
    }

    /// An optimizer of parameters without names, with the rule's defaults.
    public func callAsFunction(
        _ parameters: [Parameter], bits: Int? = nil, paged: Bool = false, options: OptimizerOptions = OptimizerOptions()
    ) throws(OptimizerError) -> Optimizer {
        try self(parameters, .standard, bits: bits, paged: paged, options: options)
    }
}
