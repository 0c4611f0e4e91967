import BitsSystem

/// How the learning rate changes over a run.
///
/// Steps are counted from 0: the first step is taken with the rate at step 0. During warm-up the rate is `base * step / warmupSteps`, so a run with
/// warm-up starts with a rate of zero. The formulas are those of Hugging Face's schedules of the same names.
public struct LearningRateSchedule: Sendable, Equatable {
    /// What follows the warm-up.
    public enum Shape: Sendable, Equatable {
        /// The base rate.
        case constant
        /// A straight line to zero at the last step.
        case linear
        /// `base / 2 (1 + cos(2π cycles progress))`: half a cycle ends at zero.
        case cosine(cycles: Double)
        /// As cosine with half a cycle, begun anew `cycles` times.
        case cosineWithRestarts(cycles: Int)
        /// `(base - end) (1 - progress)^power + end`.
        case polynomial(power: Double, end: Double)
        /// `base / √((step + timescale - warmupSteps) / timescale)`.
        case inverseSquareRoot(timescale: Int)
    }

    public var shape: Shape
    /// Steps over which the rate grows from zero to its base.
    public var warmupSteps: Int
    /// Steps of the whole run, warm-up included; nil where the shape has no end.
    public var totalSteps: Int?

    private init(_ shape: Shape, warmupSteps: Int, totalSteps: Int?) {
        precondition(warmupSteps >= 0 && (totalSteps ?? 0) >= 0, "a schedule of \(totalSteps ?? 0) steps, \(warmupSteps) of them warm-up")
        self.shape = shape
        self.warmupSteps = warmupSteps
        self.totalSteps = totalSteps
    }

    /// The base rate throughout.
    public static let constant = LearningRateSchedule.constant(warmupSteps: 0)

    public static func constant(warmupSteps: Int) -> LearningRateSchedule {
        LearningRateSchedule(.constant, warmupSteps: warmupSteps, totalSteps: nil)
    }

    public static func linear(warmupSteps: Int = 0, totalSteps: Int) -> LearningRateSchedule {
        LearningRateSchedule(.linear, warmupSteps: warmupSteps, totalSteps: totalSteps)
    }

    public static func cosine(warmupSteps: Int = 0, totalSteps: Int, cycles: Double = 0.5) -> LearningRateSchedule {
        LearningRateSchedule(.cosine(cycles: cycles), warmupSteps: warmupSteps, totalSteps: totalSteps)
    }

    public static func cosineWithRestarts(warmupSteps: Int = 0, totalSteps: Int, cycles: Int = 1) -> LearningRateSchedule {
        LearningRateSchedule(.cosineWithRestarts(cycles: cycles), warmupSteps: warmupSteps, totalSteps: totalSteps)
    }

    /// - Parameter end: the rate at the last step and after.
    public static func polynomial(warmupSteps: Int = 0, totalSteps: Int, power: Double = 1, end: Double = 1e-7) -> LearningRateSchedule {
        LearningRateSchedule(.polynomial(power: power, end: end), warmupSteps: warmupSteps, totalSteps: totalSteps)
    }

    /// - Parameter timescale: nil for the length of the warm-up, or 10,000 without one.
    public static func inverseSquareRoot(warmupSteps: Int = 0, timescale: Int? = nil) -> LearningRateSchedule {
        let timescale = timescale ?? (warmupSteps > 0 ? warmupSteps : 10_000)
        precondition(timescale > 0, "a timescale of \(timescale)")
        return LearningRateSchedule(.inverseSquareRoot(timescale: timescale), warmupSteps: warmupSteps, totalSteps: nil)
    }

    /// The learning rate at step `step`, counted from 0, of a run whose full rate is `base`.
    public func learningRate(_ base: Double, at step: Int) -> Double {
        if step < warmupSteps { return base * Double(step) / Double(warmupSteps) }
        let remaining = Double(max(1, (totalSteps ?? 0) - warmupSteps))
        let progress = Double(step - warmupSteps) / remaining
        switch shape {
        case .constant:
            return base
        case .linear:
            return base * max(0, 1 - progress)
        case .cosine(let cycles):
            return base * max(0, 0.5 * (1 + cos(2 * .pi * cycles * progress)))
        case .cosineWithRestarts(let cycles):
            if progress >= 1 { return 0 }
            let phase = (Double(cycles) * progress).truncatingRemainder(dividingBy: 1)
            return base * max(0, 0.5 * (1 + cos(.pi * phase)))
        case .polynomial(let power, let end):
            return progress >= 1 ? end : (base - end) * pow(1 - progress, power) + end
        case .inverseSquareRoot(let timescale):
            return base / (Double(step + timescale - warmupSteps) / Double(timescale)).squareRoot()
        }
    }
}
