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
    /// The parameters and their rules. Settings may be changed between steps, ``setLearningRate(_:)`` changes the commonest.
    public private(set) var groups: [ParameterGroup]
    /// How moments are kept. A parameter's moments are made at its first step with a gradient.
    public let moments: MomentStorage
    /// How the learning rate changes with ``stepCount``.
    public var schedule: LearningRateSchedule
    /// What happens to large gradients.
    public var clipping: GradientClipping?
    /// Steps taken.
    public private(set) var stepCount = 0
    /// The norm of the last step's gradients; nil unless ``clipping`` is by norm.
    public private(set) var gradientNorm: GradientNorm?

    private var states: [ObjectIdentifier: ParameterState] = [:]
    private var codebooks: MomentCodebooks?

    /// An optimizer of groups of parameters, each with its rule.
    ///
    /// - Throws: ``OptimizerError`` for a setting out of its range, an empty list, a parameter that appears twice or cannot be optimized.
    public init(
        groups: [ParameterGroup], moments: MomentStorage = .float32, schedule: LearningRateSchedule = .constant, clipping: GradientClipping? = nil
    ) throws(OptimizerError) {
        self.groups = groups
        self.moments = moments
        self.schedule = schedule
        self.clipping = clipping
        try validateParameters()
        try validateSettings()
    }

    /// An optimizer of parameters that share a rule.
    ///
    /// - Throws: ``OptimizerError`` for a setting out of its range, an empty list, a parameter that appears twice or cannot be optimized.
    public convenience init(
        _ parameters: [Parameter], rule: some UpdateRule, moments: MomentStorage = .float32, schedule: LearningRateSchedule = .constant,
        clipping: GradientClipping? = nil
    ) throws(OptimizerError) {
        try self.init(groups: [ParameterGroup(parameters, rule: rule)], moments: moments, schedule: schedule, clipping: clipping)
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
        for group in groups { for parameter in group.parameters { parameter.gradient = nil } }
    }

    /// The moments of `parameter` as numbers, in the order of ``UpdateRule/moments`` and in the parameter's shape; nil before its first step.
    ///
    /// - Throws: the first error of the work that leads here.
    public func momentValues(of parameter: Parameter) throws(DeviceError) -> [Tensor]? {
        guard let state = states[ObjectIdentifier(parameter)] else { return nil }
        try parameter.device.synchronize()
        return state.moments.map { Tensor($0.dequantized(), shape: parameter.shape) }
    }

    /// Bytes that the moments take now; parameters that have not had a gradient yet have none. Shared codebooks are left out.
    public var momentByteCount: Int { states.values.reduce(0) { $0 + $1.byteCount } }
}

// MARK: - Steps

extension Optimizer {
    /// One parameter's part of a step.
    private struct Work {
        var parameter: Parameter
        var gradient: Slice
        var rule: any UpdateRule
        var state: ParameterState
    }

    /// Takes one step: every trainable parameter that has a gradient changes, the others and their moments stay as they are.
    ///
    /// An element whose gradient is NaN or infinite keeps its value and gets zero moments.
    ///
    /// - Throws: ``OptimizerError`` when a gradient does not suit its parameter, or there is no memory for moments; no parameter is changed then.
    public func step() throws(OptimizerError) {
        try validateSettings()
        let work = try prepare()
        var scale: Slice?
        gradientNorm = nil
        if case .norm(let limit) = clipping, !work.isEmpty {
            let norm = GradientNorm(of: work.map(\.gradient), limit: limit)
            scale = norm.scale
            gradientNorm = norm
        }
        for item in work { run(item, scale: scale) }
        stepCount += 1
    }

    /// Computes a loss, with gradients, then takes one step.
    ///
    /// - Returns: what `loss` returned.
    @discardableResult
    public func step<E: Error>(_ loss: () throws(E) -> Tensor) throws -> Tensor {
        let value = try loss()
        try step()
        return value
    }

    private func prepare() throws(OptimizerError) -> [Work] {
        var work = [Work]()
        for group in groups {
            for (parameter, name) in zip(group.parameters, group.names) where parameter.isTrainable {
                guard let gradient = parameter.gradient else { continue }
                guard gradient.dtype.isFloatingPoint, gradient.device == parameter.device else {
                    throw .unsuitableGradient(
                        parameter: name, expected: "floating-point numbers on \(parameter.device.name)",
                        found: "\(gradient.dtype.rawValue) on \(gradient.device.name)")
                }
                guard work.first.map({ $0.parameter.device == parameter.device }) ?? true else {
                    throw .unsuitableParameter(name, reason: "it lies on \(parameter.device.name), the ones before it elsewhere")
                }
                let state = try state(of: parameter, rule: group.rule)
                let (kept, needed) = (state.moments.count, group.rule.moments.count)
                if kept != needed {
                    throw .contradiction(
                        rule: type(of: group.rule).name,
                        "it now needs \(needed) moments, but \(name) has \(kept); what decides the moments cannot change after the first step")
                }
                work.append(Work(parameter: parameter, gradient: gradient.elements, rule: group.rule, state: state))
            }
        }
        return work
    }

    private func state(of parameter: Parameter, rule: any UpdateRule) throws(OptimizerError) -> ParameterState {
        if let state = states[ObjectIdentifier(parameter)] { return state }
        let device = parameter.device
        let codebooks = codebooks ?? MomentCodebooks(on: device)
        self.codebooks = codebooks
        var blockSize: BlockSize?
        if case .blockwise8bit(let size) = moments.precision, parameter.count >= moments.minimum8bitCount { blockSize = size }
        let state = ParameterState(moments: rule.moments.map { $0.fresh(parameter.count, blockSize: blockSize, codebooks: codebooks) })
        do { try device.synchronize() } catch { throw .device(error) }
        states[ObjectIdentifier(parameter)] = state
        return state
    }

    private func run(_ work: Work, scale: Slice?) {
        let state = work.state
        state.step += 1
        var arithmetic = work.rule.update(step: state.step, learningRate: schedule.learningRate(work.rule.learningRate, at: stepCount)).arithmetic
        if case .value(let limit) = clipping { arithmetic.gradientLimit = Float(limit) }
        work.parameter.changeElements { elements in
            elements.device.run(
                OptimizerStep(arithmetic, parameter: elements, gradient: work.gradient, gradientScale: scale, moments: state.moments))
        }
    }
}

// MARK: - Checks

extension Optimizer {
    private func validateParameters() throws(OptimizerError) {
        var seen = Set<ObjectIdentifier>()
        for group in groups {
            for (parameter, name) in zip(group.parameters, group.names) {
                guard seen.insert(ObjectIdentifier(parameter)).inserted else { throw .repeatedParameter(name) }
                guard parameter.dtype.isFloatingPoint else {
                    throw .unsuitableParameter(name, reason: "it is \(parameter.dtype.rawValue); train an adapter beside it instead")
                }
            }
        }
        if seen.isEmpty { throw .noParameters }
    }

    private func validateSettings() throws(OptimizerError) {
        for group in groups {
            try group.rule.validate()
            if case .blockwise8bit = moments.precision, let objection = group.rule.objectionTo8Bits { throw .unsupported(objection) }
        }
        try clipping?.validate()
    }
}
