public import BitsCore
import BitsKernels
import BitsQuant

extension Optimizer {
    /// One parameter's part of a step.
    private struct Work {
        var parameter: Parameter
        var gradient: Slice
        var settings: Settings
        var state: ParameterState
    }

    /// Takes one step: every trainable parameter that has a gradient changes, the others and their moments stay as they are.
    ///
    /// An element whose gradient is NaN or infinite, or too large for its moments to be finite, keeps its value and gets zero moments.
    ///
    /// - Throws: ``OptimizerError`` when a gradient does not suit its parameter, or there is no room for moments; no parameter is changed then.
    public func step() throws(OptimizerError) {
        try validateSettings()
        let work = try prepare()
        gradientNorm = nil
        if case .norm(let limit) = clipping, !work.isEmpty { gradientNorm = GradientNorm(of: work.map(\.gradient), limit: limit) }
        for (index, item) in work.enumerated() {
            guard let pager else {
                run(item)
                continue
            }
            pager.use(item.state, next: index + 1 < work.count ? work[index + 1].state : nil) { run(item) }
        }
        pager?.finish()
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

    /// Finds what there is to do and everything that it needs, before anything is changed.
    private func prepare() throws(OptimizerError) -> [Work] {
        var work = [Work]()
        var fresh: [ObjectIdentifier: ParameterState] = [:]
        for group in groups {
            for (parameter, name) in zip(group.parameters, group.names) where parameter.isTrainable {
                guard let gradient = parameter.gradient, let member = members[ObjectIdentifier(parameter)] else { continue }
                try check(gradient, of: parameter, name: name, beside: work.first?.parameter)
                let settings = try settings(of: member, overrides[ObjectIdentifier(parameter)])
                let known = states[ObjectIdentifier(parameter)]
                let state = if let known { known } else { try newState(of: parameter, settings) }
                fresh[ObjectIdentifier(parameter)] = state
                let (kept, needed) = (state.moments.count, settings.rule.moments.count)
                if kept != needed {
                    throw .contradiction(
                        rule: type(of: settings.rule).name,
                        "it now needs \(needed) moments, but \(name) has \(kept); what decides the moments cannot change after the first step")
                }
                work.append(Work(parameter: parameter, gradient: gradient.elements, settings: settings, state: state))
            }
        }
        states.merge(fresh) { $1 }
        return work
    }

    private func check(_ gradient: Tensor, of parameter: Parameter, name: String, beside first: Parameter?) throws(OptimizerError) {
        let device = parameter.device
        guard gradient.dtype.isFloatingPoint, gradient.device == device, gradient.shape == parameter.shape else {
            throw .unsuitableGradient(
                parameter: name, expected: "floating-point numbers of shape \(parameter.shape) on \(device.name)",
                found: "\(gradient.dtype.rawValue) of shape \(gradient.shape) on \(gradient.device.name)")
        }
        guard first == nil || first?.device == device else {
            throw .unsuitableParameter(name, reason: "it lies on \(device.name), others on another device; make an optimizer for each device")
        }
    }

    private func newState(of parameter: Parameter, _ settings: Settings) throws(OptimizerError) -> ParameterState {
        let device = parameter.device
        let codebooks = codebooks ?? MomentCodebooks(on: device)
        self.codebooks = codebooks
        let blockSize = settings.storage.blockSize(forCount: parameter.count)
        let pager = try pager(for: parameter, settings.rule.moments.isEmpty ? nil : settings.storage.paging)
        return try ParameterState(settings.rule.moments, count: parameter.count, blockSize: blockSize, codebooks: codebooks, pager: pager)
    }

    /// What pages the moments of `parameter`; nil where they stay in memory.
    func pager(for parameter: Parameter, _ paging: Paging?) throws(OptimizerError) -> Pager? {
        guard let paging, parameter.count >= paging.minimumCount else { return nil }
        if let pager { return pager }
        let pager = try Pager(paging)
        self.pager = pager
        return pager
    }

    private func run(_ work: Work) {
        let (state, rule) = (work.state, work.settings.rule)
        state.step += 1
        var arithmetic = rule.update(step: state.step, learningRate: schedule.learningRate(rule.learningRate, at: stepCount)).arithmetic
        arithmetic.skipsZeros = work.settings.skipsZeros
        if work.gradient.dtype == .bfloat16, state.moments.first?.blocks == nil { arithmetic.rule.roundMomentumTwice() }
        var scale: Slice?
        switch clipping {
        case .norm: scale = gradientNorm?.scale
        case .value(let limit): arithmetic.gradientLimit = Float(limit)
        case .percentile(let percentile): scale = state.percentileScale(of: work.gradient, percentile: percentile)
        case nil: break
        }
        work.parameter.changeElements { elements in
            elements.device.run(
                OptimizerStep(arithmetic, parameter: elements, gradient: work.gradient, gradientScale: scale, moments: state.moments))
        }
    }
}

extension ParameterState {
    /// The factor that brings `gradient` down to a percentile of the norms of the last hundred steps, this one included.
    fileprivate func percentileScale(of gradient: Slice, percentile: Int) -> Slice {
        let device = gradient.device
        let history = gradientNorms ?? device.upload([Float](repeating: 0, count: ClipToPercentile.historyCount), as: .float32)
        let step = gradientNorms == nil ? 1 : step  // the first norm fills the history, whenever it comes
        gradientNorms = history
        let norm = device.allocate(.float32, count: 2)
        let scale = device.allocate(.float32, count: 1)
        device.run(VectorNorm(gradient, into: norm))
        device.run(ClipToPercentile(norm: norm, history: history, step: step, percentile: percentile, scale: scale))
        return scale
    }
}
