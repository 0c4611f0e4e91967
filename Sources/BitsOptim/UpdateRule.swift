// What a rule's `update(step:learningRate:)` returns.
@_exported public import struct BitsKernels.ElementUpdate

/// The arithmetic of an optimizer: what one step does to a parameter's element, given its gradient and its moments.
///
/// A rule says nothing about precision or place: how moments are stored is ``MomentStorage``'s part. A new rule states its ``settings``, its
/// ``moments`` and its ``update(step:learningRate:)``; moments in 8 bits, paging, overrides and state files come with the ``Optimizer``.
public protocol UpdateRule: Sendable {
    /// The name in state files and messages.
    static var name: String { get }

    /// Every number and switch of the rule, under the name that bitsandbytes' arguments and files have for it.
    static var settings: [RuleSetting<Self>] { get }

    /// What a step is multiplied by, before any schedule.
    var learningRate: Double { get set }

    /// The moments kept for each element, in the order in which the arithmetic counts them.
    var moments: [Moment] { get }

    /// How many moments the first entry of bitsandbytes' state files holds, one after the other: 1, but for AdEMAMix.
    static var momentsInFirstEntry: Int { get }

    /// Settings that exclude each other, in words; nil where all is well.
    var contradiction: String? { get }

    /// Why these moments cannot be stored in 8 bits; nil where they can.
    var objectionTo8Bits: String? { get }

    /// What step number `step` (from 1) of a parameter does, with `learningRate` as the schedule gives it.
    func update(step: Int, learningRate: Double) -> ElementUpdate
}

extension UpdateRule {
    public static var momentsInFirstEntry: Int { 1 }
    public var contradiction: String? { nil }
    public var objectionTo8Bits: String? { nil }

    /// Checks every setting and all together.
    ///
    /// - Throws: ``OptimizerError/invalidSetting(rule:name:value:expected:)``, ``OptimizerError/contradiction(rule:_:)``.
    public func validate() throws(OptimizerError) {
        for setting in Self.settings { try setting.validate(self) }
        if let contradiction { throw .contradiction(rule: Self.name, contradiction) }
    }
}

/// One running quantity that a rule keeps for every element.
public struct Moment: Sendable, Equatable {
    /// Whether the 8-bit codes have a sign.
    public var isSigned: Bool
    /// What it is before the first step.
    public var initialValue: Double

    public init(isSigned: Bool, initialValue: Double = 0) {
        self.isSigned = isSigned
        self.initialValue = initialValue
    }

    /// May be negative; starts at zero.
    public static let signed = Moment(isSigned: true)
    /// Never negative, and twice as finely coded; starts at zero.
    public static let unsigned = Moment(isSigned: false)
}
