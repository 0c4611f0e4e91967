internal import Synchronization

/// Recording of computations, for gradients.
package enum Tape {
    /// Whether operations record what they do; off inside ``noGradient(_:)``.
    @TaskLocal package static var isRecording = true

    private static let sequence = Atomic<UInt64>(0)

    static func nextSequence() -> UInt64 { sequence.wrappingAdd(1, ordering: .relaxed).newValue }
}

/// Runs `body` without recording: nothing in it can be differentiated, and nothing is kept for that.
public func noGradient<R, E: Error>(_ body: () throws(E) -> R) throws(E) -> R {
    let result: Result<R, E> = Tape.$isRecording.withValue(false) {
        do throws(E) { return .success(try body()) } catch { return .failure(error) }
    }
    return try result.get()
}

/// One recorded operation, or a parameter at the start of a computation.
package final class TapeNode: Sendable {
    /// Grows with time: an operation's inputs have smaller numbers.
    let sequence: UInt64
    private let sources: Mutex<[TapeNode?]>
    /// From the gradient of the output to the gradients of the inputs, in their order; nil where an input wants none.
    let backward: (@Sendable (Tensor) -> [Tensor?])?
    /// Where a parameter's gradient gathers.
    let slot: GradientSlot?

    init(inputs: [TapeNode?], backward: @escaping @Sendable (Tensor) -> [Tensor?]) {
        sequence = Tape.nextSequence()
        sources = Mutex(inputs)
        self.backward = backward
        slot = nil
    }

    init(slot: GradientSlot) {
        sequence = 0
        sources = Mutex([])
        backward = nil
        self.slot = slot
    }

    var inputs: [TapeNode?] { sources.withLock { $0 } }

    private func takeInputs() -> [TapeNode?] {
        sources.withLock { inputs in
            defer { inputs = [] }
            return inputs
        }
    }

    /// A long chain of operations is released one after the other, not each inside the release of the next, which would exhaust the stack.
    deinit {
        var waiting = takeInputs()
        while !waiting.isEmpty {
            guard var node = waiting.removeLast() else { continue }
            if isKnownUniquelyReferenced(&node) { waiting += node.takeInputs() }
        }
    }
}

/// A parameter's gradient, which any task's backward pass may add to.
package final class GradientSlot: Sendable {
    private let stored = Mutex<Tensor?>(nil)

    var gradient: Tensor? { stored.withLock { $0 } }

    func set(_ gradient: Tensor?) { stored.withLock { $0 = gradient } }

    func add(_ gradient: Tensor) {
        stored.withLock { current in
            current = current.map { noGradient { [current = $0] in current + gradient } } ?? gradient
        }
    }
}

extension Tensor {
    /// Whether an operation on `inputs` has to be recorded.
    package static func records(_ inputs: [Tensor]) -> Bool {
        guard inputs.contains(where: { $0.node != nil }) else { return false }
        return Tape.isRecording
    }

    /// This result of an operation on `inputs`, with the way back.
    ///
    /// - Parameter backward: from the gradient of the result to those of `inputs`, in their order; it runs without recording. The gradient comes contiguous.
    package func recorded(from inputs: [Tensor], backward: @escaping @Sendable (Tensor) -> [Tensor?]) -> Tensor {
        guard Tensor.records(inputs) else { return self }
        return Tensor(slice, shape: shape, strides: strides, node: TapeNode(inputs: inputs.map(\.node), backward: backward))
    }
}
