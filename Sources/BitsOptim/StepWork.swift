import BitsCore
import BitsKernels

/// One parameter's part of a step; an object, so that lists of hundreds are cheap to pass on.
final class StepWork {
    let parameter: Parameter
    var gradient: Slice
    var settings: Optimizer.Settings
    let state: ParameterState
    /// The group whose settings these are; nil where the parameter has some of its own.
    let group: Int?
    /// What the gradient is multiplied by, on the device; nil for 1.
    var factor: Slice?

    init(parameter: Parameter, gradient: Slice, settings: Optimizer.Settings, state: ParameterState, group: Int?) {
        (self.parameter, self.gradient, self.settings, self.state, self.group) = (parameter, gradient, settings, state, group)
    }

    /// Whether what is done to both is sure to be the same.
    private func isUpdated(as other: StepWork) -> Bool {
        group != nil && group == other.group && state.step == other.state.step && gradient.dtype == other.gradient.dtype
            && state.moments.count == other.state.moments.count && (state.moments.first?.blocks == nil) == (other.state.moments.first?.blocks == nil)
    }

    /// Which parts of `work` have an update of their own, and for each part which of those it shares: nearly always all are alike, and powers of the
    /// betas take their time.
    static func models(of work: [StepWork]) -> (models: [Int], modelOf: [Int]) {
        var models = [Int]()
        let modelOf = work.indices.map { index in
            if let place = work[index].group == nil ? nil : models.lastIndex(where: { work[index].isUpdated(as: work[$0]) }) { return place }
            models.append(index)
            return models.count - 1
        }
        return (models, modelOf)
    }
}
