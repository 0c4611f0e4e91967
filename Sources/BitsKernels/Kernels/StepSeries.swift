internal import Synchronization

/// Steps that follow each other on the same parameters, whose operands are the same each time, gradients and their scales aside: a device may keep what
/// it makes of them.
package final class StepSeries: Sendable {
    /// Numbers of parameters: every other has, in each step, the same update as one of these.
    package let models: [Int]
    private let moveCount = Atomic<Int>(0)
    let kept = KeptOperands()

    package init(models: [Int]) { self.models = models }

    /// Says that gradients or their scales lie elsewhere than in the step before.
    package func noteMove() { moveCount.add(1, ordering: .relaxed) }

    /// Grows whenever gradients or their scales have moved.
    var place: Int { moveCount.load(ordering: .relaxed) }
}
