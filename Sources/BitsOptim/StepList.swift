import BitsCore
import BitsKernels

/// A step of all parameters, kept for the next. Where parameters and moments lie as before and are as many, and gradients are of the same kind, wherever
/// they lie, only numbers are new: then nothing is made again but these, and a device finds what it made of the operands.
package final class StepList {
    let work: [StepWork]
    /// Parameters that had no part in the step.
    private let idle: [Parameter]
    private let models: [Int]
    private let modelOf: [Int]
    private let series: StepSeries
    /// With operands that it has no share in: a parameter that changes has one owner, and gradients may go.
    private var kernel: OptimizerStep

    /// Takes `work` as a step, and keeps it.
    ///
    /// - Parameters:
    ///   - others: of the optimizer's parameters all that may have no part.
    ///   - update: what is done to one of `work`.
    init(_ work: [StepWork], among others: [Parameter], update: (StepWork) -> ElementUpdate) {
        let (models, modelOf) = StepWork.models(of: work)
        let series = StepSeries(models: models)
        (self.work, self.models, self.modelOf, self.series) = (work, models, modelOf, series)
        let stepped = Set(work.map { ObjectIdentifier($0.parameter) })
        idle = others.filter { !stepped.contains(ObjectIdentifier($0)) }
        kernel = OptimizerStep([])
        let updates = models.map { update(work[$0]) }
        Parameter.changeElements(of: work.map(\.parameter)) { elements in
            let parameters = work.indices.map { index in
                let item = work[index]
                return ParameterStep(
                    updates[modelOf[index]], parameter: elements[index], gradient: item.gradient, gradientScale: item.factor,
                    moments: item.state.moments)
            }
            let step = OptimizerStep(parameters, in: series)
            kernel = step.borrowingOperands()
            work.first?.gradient.device.run(step)
        }
        letGo()
    }

    /// Finds the gradients of the next step.
    ///
    /// - Returns: whether that is one of the same parameters, whose elements, moments and gradients are as they were.
    func isReady() -> Bool {
        guard idle.allSatisfy({ !$0.isTrainable || $0.gradient == nil }), let moved = movedGradients(kernel.parameters) else { return false }
        for (index, gradient) in moved {
            work[index].gradient = gradient
            kernel.parameters[index].gradient = gradient.borrowed()
        }
        if !moved.isEmpty { series.noteMove() }
        return true
    }

    /// Gradients that lie elsewhere than in `parts`; nil where anything else is not as it was.
    private func movedGradients(_ parts: [ParameterStep]) -> [(index: Int, gradient: Slice)]? {
        var moved: [(index: Int, gradient: Slice)] = []
        for index in parts.indices {
            let parameter = work[index].parameter
            guard parameter.isTrainable, parameter.changesInPlace(parts[index].parameter) else { return nil }
            if parameter.hasGradient(parts[index].gradient) { continue }
            guard let gradient = parameter.gradient, gradient.dtype == parts[index].gradient.dtype, gradient.device == parameter.device,
                gradient.shape == parameter.shape
            else { return nil }
            moved.append((index, gradient.elements))
        }
        return moved
    }

    /// Lets the parts that updates are computed of have the settings that count now.
    ///
    /// - Returns: whether the rules still keep as many moments.
    func takeSettings<E: Error>(_ settings: (StepWork) throws(E) -> Optimizer.Settings) throws(E) -> Bool {
        for index in models {
            let item = work[index]
            item.settings = try settings(item)
            if item.settings.rule.moments.count != item.state.moments.count { return false }
        }
        return true
    }

    /// Takes the step.
    func run(update: (StepWork) -> ElementUpdate) {
        let updates = models.map { update(work[$0]) }
        if renew(&kernel.parameters, updates) { series.noteMove() }
        work.first?.gradient.device.runAgain(kernel)
        for item in work { item.parameter.noteChange() }
        letGo()
    }

    /// - Returns: whether a factor lies elsewhere than before.
    private func renew(_ parts: inout [ParameterStep], _ updates: [ElementUpdate]) -> Bool {
        var hasMoved = false
        for index in parts.indices {
            parts[index].update = updates[modelOf[index]]
            let factor = work[index].factor
            if !StepList.areSame(factor, parts[index].gradientScale) {
                parts[index].gradientScale = factor?.borrowed()
                hasMoved = true
            }
        }
        return hasMoved
    }

    private static func areSame(_ a: Slice?, _ b: Slice?) -> Bool {
        guard let a, let b else { return a == nil && b == nil }
        return a.isSame(as: b)
    }

    /// Holds no memory any more that belongs to one step.
    private func letGo() {
        for index in work.indices {
            work[index].factor = nil
            work[index].gradient = kernel.parameters[index].gradient
        }
    }
}
