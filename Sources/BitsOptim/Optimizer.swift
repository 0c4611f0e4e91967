public import BitsCore
import BitsKernels
import BitsQuant

/// Changes parameters by their gradients, step after step.
///
/// A rule says what a step computes, a storage how its moments are kept:
/// ```swift
/// let optimizer = try Optimizer(model.trainableParameters(), rule: AdamW(learningRate: 2e-4), moments: .blockwise8bit())
/// loss.backward()
/// try optimizer.step()
/// optimizer.clearGradients()
/// ```
/// Steps give the same bits on every device and for any number of threads. Not `Sendable`: the task that owns the parameters owns it too.
public final class Optimizer {
    /// The parameters and their rules; ``changeRules(_:)`` and ``setLearningRate(_:)`` change the rules between steps.
    public internal(set) var groups: [ParameterGroup]
    /// How moments are kept. A parameter's moments are made at its first step with a gradient.
    public let moments: MomentStorage
    /// How the learning rate changes with ``stepCount``.
    public var schedule: LearningRateSchedule
    /// What happens to large gradients.
    public var clipping: GradientClipping?
    /// Whether elements whose gradient is zero keep their value and their moments, decay included: for sparse gradients, as of embeddings. A block of
    /// 8-bit moments stays as it is only where all of its gradients are zero. Original: `skip_zeros`.
    public var skipsZeros: Bool
    /// What every gradient is multiplied by before anything else is done with it: 1 over its scale where the loss was scaled, or 1 over the number of
    /// passes whose gradients were added up.
    public var gradientScale = 1.0
    /// Steps taken.
    public internal(set) var stepCount = 0
    /// The norm of the last step's gradients; nil unless ``clipping`` is by norm.
    public internal(set) var gradientNorm: GradientNorm?

    var states: [ObjectIdentifier: ParameterState] = [:] { didSet { list = nil } }
    var overrides: [ObjectIdentifier: ParameterOverride] = [:] { didSet { list = nil } }
    /// What the last step was taken by, where the next may be taken by it too.
    package internal(set) var list: StepList?
    /// What a device has made of the gradients whose norms were taken last.
    let normed = KeptOperands()
    /// Where each parameter stands.
    let members: [ObjectIdentifier: Member]
    var codebooks: MomentCodebooks?
    var pager: Pager?

    struct Member {
        var parameter: Parameter
        var group: Int
        var name: String
    }

    /// What counts for one parameter, its override included.
    struct Settings {
        var rule: any UpdateRule
        var storage: MomentStorage
        var skipsZeros: Bool
        /// Of its norms in the last hundred steps, that a gradient is held to; nil for no such bound.
        var percentile: Int?
    }

    /// An optimizer of groups of parameters, each with its rule.
    ///
    /// - Throws: ``OptimizerError`` for a setting out of its range, an empty list, a parameter that appears twice or cannot be optimized, an override that
    ///   cannot be.
    public init(
        groups: [ParameterGroup], moments: MomentStorage = .float32, schedule: LearningRateSchedule = .constant, clipping: GradientClipping? = nil,
        skipsZeros: Bool = false, overrides: ParameterOverrides = ParameterOverrides()
    ) throws(OptimizerError) {
        self.groups = groups
        self.moments = moments
        self.schedule = schedule
        self.clipping = clipping
        self.skipsZeros = skipsZeros
        members = try Optimizer.members(of: groups)
        try validateSettings()
        try override(overrides)
    }

    /// An optimizer of parameters that share a rule.
    ///
    /// - Throws: ``OptimizerError`` for a setting out of its range, an empty list, a parameter that appears twice or cannot be optimized, an override that
    ///   cannot be.
    public convenience init(
        _ parameters: [Parameter], rule: some UpdateRule, moments: MomentStorage = .float32, schedule: LearningRateSchedule = .constant,
        clipping: GradientClipping? = nil, skipsZeros: Bool = false, overrides: ParameterOverrides = ParameterOverrides()
    ) throws(OptimizerError) {
        let groups = [ParameterGroup(parameters, rule: rule)]
        try self.init(groups: groups, moments: moments, schedule: schedule, clipping: clipping, skipsZeros: skipsZeros, overrides: overrides)
    }

    /// An optimizer of parameters with their paths, as `Module.namedParameters()` gives them, that share a rule.
    ///
    /// - Throws: ``OptimizerError`` for a setting out of its range, an empty list, a parameter that appears twice or cannot be optimized, an override that
    ///   cannot be.
    public convenience init(
        _ named: [(path: String, parameter: Parameter)], rule: some UpdateRule, moments: MomentStorage = .float32,
        schedule: LearningRateSchedule = .constant, clipping: GradientClipping? = nil, skipsZeros: Bool = false,
        overrides: ParameterOverrides = ParameterOverrides()
    ) throws(OptimizerError) {
        let groups = [ParameterGroup(named, rule: rule)]
        try self.init(groups: groups, moments: moments, schedule: schedule, clipping: clipping, skipsZeros: skipsZeros, overrides: overrides)
    }

    private static func members(of groups: [ParameterGroup]) throws(OptimizerError) -> [ObjectIdentifier: Member] {
        var members: [ObjectIdentifier: Member] = [:]
        for (index, group) in groups.enumerated() {
            for (parameter, name) in zip(group.parameters, group.names) {
                let member = Member(parameter: parameter, group: index, name: name)
                guard members.updateValue(member, forKey: ObjectIdentifier(parameter)) == nil else { throw .repeatedParameter(name) }
                guard parameter.dtype.isFloatingPoint else {
                    throw .unsuitableParameter(name, reason: "it is \(parameter.dtype.rawValue); train an adapter beside it instead")
                }
            }
        }
        if members.isEmpty { throw .noParameters }
        return members
    }

    /// The base learning rate of all groups from now on; a schedule still applies to it.
    ///
    /// - Throws: ``OptimizerError/invalidSetting(rule:name:value:expected:)`` when it is negative or not finite; nothing is changed then.
    public func setLearningRate(_ learningRate: Double) throws(OptimizerError) {
        try changeRules { $0.learningRate = learningRate }
    }

    /// Changes the rule of every group.
    ///
    /// - Throws: ``OptimizerError/invalidSetting(rule:name:value:expected:)`` when a setting is out of its range; nothing is changed then.
    public func changeRules(_ change: (inout any UpdateRule) -> Void) throws(OptimizerError) {
        let before = groups
        for index in groups.indices { change(&groups[index].rule) }
        do { try validateSettings() } catch {
            groups = before
            throw error
        }
    }

    /// The learning rate that the next step of a group takes.
    public func currentLearningRate(ofGroup index: Int = 0) -> Double {
        schedule.learningRate(groups[index].rule.learningRate, at: stepCount)
    }

    /// Forgets all gradients.
    public func clearGradients() {
        for member in members.values { member.parameter.gradient = nil }
    }

    /// The moments of `parameter` as numbers, in the order of ``UpdateRule/moments`` and in the parameter's shape; nil before its first step.
    ///
    /// - Throws: the first error of the work that leads here.
    public func momentValues(of parameter: Parameter) throws(DeviceError) -> [Tensor]? {
        guard let state = states[ObjectIdentifier(parameter)] else { return nil }
        try parameter.device.synchronize()
        return state.moments.map { Tensor($0.dequantized(), shape: parameter.shape) }
    }

    /// What paging has done; nil while no moments are paged.
    public var paging: PagingCounters? { pager?.counters }

    /// Bytes that the moments take, in memory or paged; parameters that have not had a gradient yet have none. Shared codebooks are left out.
    public var momentByteCount: Int { states.values.reduce(0) { $0 + $1.byteCount } }
}

extension Optimizer {
    /// What counts for the parameters of a group that have no override.
    func settings(ofGroup index: Int) throws(OptimizerError) -> Settings {
        Settings(rule: groups[index].rule, storage: moments, skipsZeros: skipsZeros, percentile: try percentile(nil))
    }

    /// What counts for `member` with `override`.
    func settings(of member: Member, _ override: ParameterOverride?) throws(OptimizerError) -> Settings {
        let common = try settings(ofGroup: member.group)
        let settings = Settings(
            rule: try override?.applied(to: common.rule) ?? common.rule, storage: moments.applying(override, to: member.parameter),
            skipsZeros: override?.skipsZeros ?? skipsZeros, percentile: try percentile(override))
        if settings.storage.blockSize(forCount: member.parameter.count) != nil, let objection = settings.rule.objectionTo8Bits {
            throw .unsupported(objection)
        }
        return settings
    }

    private func percentile(_ override: ParameterOverride?) throws(OptimizerError) -> Int? {
        guard let wanted = override?.percentileClipping else {
            if case .percentile(let percentile) = clipping { return percentile }
            return nil
        }
        switch clipping {
        case .norm, .value: throw .contradiction(rule: "clipping", "gradients are clipped by percentile or in another way, not both")
        case .percentile, nil: return wanted == 100 ? nil : wanted
        }
    }

    func validateSettings() throws(OptimizerError) {
        guard gradientScale > 0 && gradientScale.isFinite else {
            throw .invalidSetting(rule: "optimizer", name: "gradientScale", value: "\(gradientScale)", expected: "a finite number above 0")
        }
        for group in groups {
            try group.rule.validate()
            if case .blockwise8bit = moments.precision, let objection = group.rule.objectionTo8Bits { throw .unsupported(objection) }
        }
        for (id, override) in overrides {
            if let member = members[id] { _ = try settings(of: member, override) }
        }
        try clipping?.validate()
    }
}
