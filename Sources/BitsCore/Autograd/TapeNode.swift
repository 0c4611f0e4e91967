import BitsKernels
internal import Synchronization

/// One recorded operation, or a parameter at the start of a computation.
package final class TapeNode: Sendable {
    /// From the gradient of an operation's result to the nodes that the way back leads on to, each with its gradient.
    typealias WayBack = @Sendable (Tensor) -> [(node: TapeNode, gradient: Tensor)]

    /// What an operation keeps until its gradient has been computed.
    private struct Recorded: Sendable {
        let inputs: [TapeNode?]
        let recomputation: LateElements?
        let wayBack: WayBack
    }

    /// Grows with time: an operation's inputs have smaller numbers.
    let sequence: UInt64
    /// Where a parameter's gradient gathers; nil for an operation.
    let slot: GradientSlot?
    private let recorded: Mutex<Recorded?>

    /// - Parameter inputs: the nodes that `wayBack` refers to.
    init(inputs: [TapeNode?], recomputation: LateElements? = nil, wayBack: @escaping WayBack) {
        sequence = Tape.nextSequence()
        slot = nil
        recorded = Mutex(Recorded(inputs: inputs, recomputation: recomputation, wayBack: wayBack))
    }

    init(slot: GradientSlot) {
        sequence = 0
        self.slot = slot
        recorded = Mutex(nil)
    }

    /// How the operation's result is computed again; nil where it is to be kept.
    var recomputation: LateElements? { recorded.withLock { $0?.recomputation } }

    /// The way back, which is gone from here afterwards unless it is kept.
    func wayBack(keeping: Bool) -> WayBack {
        let wayBack = recorded.withLock { (keeping ? $0 : $0.take())?.wayBack }
        guard let wayBack else {
            preconditionFailure(
                "backward() comes again to a computation whose memory an earlier backward() released; call the earlier one with retainingGraph: true, "
                    + "or compute the loss again")
        }
        return wayBack
    }

    /// Lets go of what was kept, and returns the inputs, which would otherwise be released within this release.
    private func release() -> [TapeNode?] { recorded.withLock { $0.take()?.inputs } ?? [] }

    /// A long chain of operations is released one after the other, not each inside the release of the next, which would exhaust the stack.
    deinit {
        var waiting = release()
        while !waiting.isEmpty {
            guard var node = waiting.removeLast() else { continue }
            if isKnownUniquelyReferenced(&node) { waiting += node.release() }
        }
    }
}

/// A parameter's gradient, which any task's backward pass may add to.
package final class GradientSlot: Sendable {
    private let sum = Mutex<GradientSum?>(nil)

    /// The sum so far, rounded to the type of what was added first.
    var gradient: Tensor? { sum.withLock { $0 }?.value }

    /// Whether the elements of ``gradient`` lie where `elements` do.
    func isGradient(_ elements: Slice) -> Bool { sum.withLock { $0?.value(is: elements) == true } }

    func set(_ gradient: Tensor?) {
        sum.withLock {
            $0 = gradient.map(GradientSum.init)
            $0?.countAsGradient()
        }
    }

    func add(_ gradient: GradientSum) {
        sum.withLock { sum in
            if sum == nil { sum = gradient } else { sum?.add(gradient) }
            sum?.countAsGradient()
        }
    }
}
