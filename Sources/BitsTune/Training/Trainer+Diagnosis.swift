import BitsCore
import BitsOptim

extension Trainer {
    /// The error of a run that came to a bad end with `step`, as precisely as it can be told.
    func diverged(_ step: SubmittedStep, _ objection: LossGuard.Objection) -> TrainingError {
        let reason: String
        switch objection {
        case .lossIsNoNumber(let loss): reason = "the loss is \(loss.isNaN ? .nan : loss)"
        case .gradientsAreNoNumbers(let steps): reason = "the gradients of \(steps) steps in a row hold NaN or infinity"
        case .leap(let mean, let lowest):
            reason = "the loss has leapt: \(rounded(mean)) on average over \(LossGuard.window) steps, after \(rounded(lowest))"
        }
        return .diverged(step: step.told.step, reason: reason, tensor: culprit(step), checkpoint: folder?.newestPath)
    }

    /// The first weight that is no number, or whose gradient in one of the step's batches is none; nil where there is none now.
    private func culprit(_ step: SubmittedStep) -> String? {
        func isBroken(_ tensor: Tensor) -> Bool { ((try? tensor.floats()) ?? []).contains { !$0.isFinite } }
        if let found = weights.parameters.first(where: { isBroken($0.parameter.value) }) { return "'\(found.path)' holds NaN or infinity" }
        defer { optimizer.clearGradients() }
        for batch in step.batches {
            model.loss(batch, pads: options.batches.pads).backward()
            let found = weights.parameters.first { $0.parameter.gradient.map(isBroken) ?? false }
            if let found { return "the gradient of '\(found.path)' holds NaN or infinity" }
            optimizer.clearGradients()
        }
        return nil
    }

    private func rounded(_ loss: Double) -> Double { (loss * 1000).rounded() / 1000 }
}
