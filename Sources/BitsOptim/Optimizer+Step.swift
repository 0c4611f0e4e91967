public import BitsCore
import BitsKernels
import BitsQuant

extension Optimizer {
    /// Takes one step: every trainable parameter that has a gradient changes, the others and their moments stay as they are.
    ///
    /// An element whose gradient is NaN or infinite, or too large for its moments to be finite, keeps its value and gets zero moments.
    ///
    /// - Throws: ``OptimizerError`` when a gradient does not suit its parameter, or there is no room for moments; no parameter is changed then.
    public func step() throws(OptimizerError) {
        try validateSettings()
        let known = try knownList()
        let work = if let known { known.work } else { try prepare() }
        for item in work { item.state.step += 1 }
        for (item, factor) in zip(work, counted(as: .workspace) { gradientFactors(work) }) { item.factor = factor }
        known?.run(update: update)
        list = known ?? run(work)
        stepCount += 1
    }

    /// The list of the step before, where this step can be taken by it; else there is none any more.
    private func knownList() throws(OptimizerError) -> StepList? {
        let known = list
        list = nil
        // A percentile is of each parameter's own history.
        if case .percentile = clipping { return nil }
        guard let known, known.isReady() else { return nil }
        let isSuitable = try known.takeSettings { (item) throws(OptimizerError) in
            if let group = item.group { return try settings(ofGroup: group) }
            guard let member = members[ObjectIdentifier(item.parameter)] else { return item.settings }
            return try settings(of: member, overrides[ObjectIdentifier(item.parameter)])
        }
        return isSuitable ? known : nil
    }

    /// Takes the step of `work`, which is prepared.
    ///
    /// - Returns: what may take the next; nil where there is something that comes and goes, or that steps in a way of its own.
    private func run(_ work: [StepWork]) -> StepList? {
        // What is in memory takes its step in one launch; what comes and goes is stepped one by one, the next on its way meanwhile.
        let (inside, others) = (work.filter { $0.state.pages.isIn }, work.filter { !$0.state.pages.isIn })
        let list = inside.isEmpty ? nil : StepList(inside, among: groups.flatMap(\.parameters), update: update)
        for (index, item) in others.enumerated() {
            pager?.use(item.state.pages, next: index + 1 < others.count ? others[index + 1].state.pages : nil) {
                _ = StepList([item], among: [], update: update)
            }
        }
        pager?.finish()
        return others.isEmpty && inside.allSatisfy { $0.settings.percentile == nil } ? list : nil
    }

    /// Computes a loss, with gradients, then takes one step.
    ///
    /// - Returns: what `loss` returned, with no memory of how it was computed: that would hold the parameters, which would have to be copied to change.
    @discardableResult
    public func step<E: Error>(_ loss: () throws(E) -> Tensor) throws -> Tensor {
        let value = try loss().detached()
        try step()
        return value
    }

    /// Finds what there is to do and everything that it needs, before anything is changed.
    private func prepare() throws(OptimizerError) -> [StepWork] {
        var work = [StepWork]()
        var fresh: [ObjectIdentifier: ParameterState] = [:]
        for (index, group) in groups.enumerated() {
            let common = try settings(ofGroup: index)
            for (parameter, name) in zip(group.parameters, group.names) where parameter.isTrainable {
                guard let gradient = parameter.gradient else { continue }
                try check(gradient, of: parameter, name: name, beside: work.first?.parameter)
                let id = ObjectIdentifier(parameter)
                let (override, known) = (overrides[id], states[id])
                // How moments are kept is a parameter's own affair as they are made, and no more after that.
                let isCommon = override == nil && known != nil
                let settings = isCommon ? common : try settings(of: Member(parameter: parameter, group: index, name: name), override)
                let state: ParameterState
                if let known {
                    state = known
                } else {
                    state = try counted(as: .moments) { () throws(OptimizerError) in try newState(of: parameter, settings) }
                    fresh[id] = state
                }
                let (kept, needed) = (state.moments.count, settings.rule.moments.count)
                if kept != needed {
                    throw .contradiction(
                        rule: type(of: settings.rule).name,
                        "it now needs \(needed) moments, but \(name) has \(kept); what decides the moments cannot change after the first step")
                }
                work.append(
                    StepWork(
                        parameter: parameter, gradient: gradient.elements, settings: settings, state: state, group: override == nil ? index : nil))
            }
        }
        if let device = work.first?.parameter.device, !fresh.values.allSatisfy(\.hasMemory) {
            do { try device.synchronize() } catch { throw .device(error) }
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
        let pager = try Pager.forMoments(paging, on: parameter.device)
        self.pager = pager
        return pager
    }

    /// The factor of each gradient, on the device: what clips it, and ``gradientScale``; nil where that is 1.
    private func gradientFactors(_ work: [StepWork]) -> [Slice?] {
        gradientNorm = nil
        guard let device = work.first?.gradient.device else { return [] }
        if case .norm(let limit) = clipping {
            let norm = GradientNorm(of: work.map(\.gradient), scale: gradientScale, limit: limit, keptIn: normed)
            gradientNorm = norm
            return work.map { _ in norm.factor }
        }
        var factors = [Slice?](repeating: nil, count: work.count)
        if gradientScale != 1 {
            let scale = device.allocate(.float32, count: 1)
            device.run(Fill(Float(gradientScale), into: scale))
            factors = work.map { _ in scale }
        }
        let clipped = work.indices.filter { work[$0].settings.percentile != nil }
        if clipped.isEmpty { return factors }
        let scales = device.allocate(.float32, count: clipped.count)
        device.run(
            ClipToPercentile(
                clipped.map { work[$0].state.history(percentile: work[$0].settings.percentile ?? 0, on: device) },
                norms: device.norms(of: clipped.map { work[$0].gradient }, keptIn: normed), scale: Float(gradientScale), into: scales))
        for (place, index) in clipped.enumerated() { factors[index] = scales[place..<place + 1] }
        return factors
    }

    private func update(_ work: StepWork) -> ElementUpdate {
        let (state, rule) = (work.state, work.settings.rule)
        var update = rule.update(step: state.step, learningRate: schedule.learningRate(rule.learningRate, at: stepCount))
        update.skipsZeros = work.settings.skipsZeros
        if case .value(let limit) = clipping { update.gradientLimit = Float(limit) }
        if work.gradient.dtype == .bfloat16, state.moments.first?.blocks == nil { update.rule.roundMomentumTwice() }
        return update
    }
}

extension ParameterState {
    /// What a percentile of the last hundred norms needs; the first norm fills the history, whenever it comes.
    fileprivate func history(percentile: Int, on device: Device) -> ClipToPercentile.Gradient {
        let history = gradientNorms ?? device.allocate(.float32, count: ClipToPercentile.historyCount)
        defer { gradientNorms = history }
        return ClipToPercentile.Gradient(history: history, step: gradientNorms == nil ? 1 : step, percentile: percentile)
    }
}
