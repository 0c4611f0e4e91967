/// Tells a run that fails from one that learns: by a loss that is no number, by gradients that are none step after step, and by a loss that leaps.
struct LossGuard: Sendable, Equatable {
    enum Objection: Sendable, Equatable {
        case lossIsNoNumber(Double)
        case gradientsAreNoNumbers(steps: Int)
        case leap(mean: Double, lowest: Double)
    }

    /// Steps whose mean is looked at: single batches differ too much.
    static let window = 16
    /// A scale that is too large loses a step in 16 bits now and then; several in a row are lost for another reason.
    static let toleratedSteps = 3

    /// The latest losses.
    private(set) var recent: [Double] = []
    /// The lowest mean of a window.
    private(set) var lowest = Double.infinity
    /// The latest steps without a gradient.
    private(set) var failures = 0

    init() {}

    /// As it was after other steps.
    init(recent: [Double], lowest: Double, failures: Int) { (self.recent, self.lowest, self.failures) = (recent, lowest, failures) }

    /// What speaks against going on after a step with this loss, and so many elements of its gradients that are no numbers.
    ///
    /// A loss has leapt when the mean of 16 steps is above twice the lowest such mean so far, plus 1.
    mutating func objection(to loss: Double, nonFiniteGradients: Int) -> Objection? {
        guard loss.isFinite else { return .lossIsNoNumber(loss) }
        failures = nonFiniteGradients > 0 ? failures + 1 : 0
        if failures >= LossGuard.toleratedSteps { return .gradientsAreNoNumbers(steps: failures) }
        recent.append(loss)
        if recent.count > LossGuard.window { recent.removeFirst() }
        guard recent.count == LossGuard.window else { return nil }
        let mean = recent.reduce(0, +) / Double(LossGuard.window)
        lowest = min(lowest, mean)
        return mean > 2 * lowest + 1 ? .leap(mean: mean, lowest: lowest) : nil
    }
}
