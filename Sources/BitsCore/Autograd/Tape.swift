package import BitsKernels
internal import Synchronization

/// Recording of computations, for gradients.
package enum Tape {
    /// Whether operations record what they do; off inside ``noGradient(_:)``.
    @TaskLocal package static var isRecording = true

    /// Set while a checkpointed block runs for the first time: its operations record nothing, and note there what the second run needs.
    @TaskLocal static var firstRun: FirstRun?

    /// Set while a checkpointed block runs again.
    @TaskLocal static var replay: DrawReplay?

    /// Whether what operations give may be computed when somebody asks for it, see ``Tensor/result(_:_:compute:)``.
    package static var putsResultsOff: Bool { replay != nil }

    /// Set while inputs of checkpointed blocks go to the host's memory.
    @TaskLocal static var blockInputs: BlockInputs?

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

extension Tensor {
    /// Whether an operation on `inputs` has to be recorded.
    package static func records(_ inputs: [Tensor]) -> Bool {
        guard inputs.contains(where: { $0.node != nil }), Tape.isRecording else { return false }
        guard let firstRun = Tape.firstRun else { return true }
        firstRun.note(inputs.compactMap(\.node))
        return false
    }

    /// This result of an operation on `inputs`, with the way back.
    ///
    /// - Parameters:
    ///   - again: computes the elements of this result anew from what `backward` keeps, for operations on it that would keep them (``KeptElements``). For
    ///     those that take a small part of a matrix product's time.
    ///   - backward: from the gradient of the result to those of `inputs`, in their order; it runs without recording. The gradient comes contiguous.
    package func recorded(
        from inputs: [Tensor], again: (@Sendable () -> Slice)? = nil, backward: @escaping @Sendable (Tensor) -> [Tensor?]
    ) -> Tensor {
        guard Tensor.records(inputs) else { return self }
        let nodes = inputs.map(\.node)
        let recomputation = again.map { LateElements(dtype, device, compute: $0) }
        let node = TapeNode(inputs: nodes, recomputation: recomputation) { gradient in
            zip(nodes, backward(gradient)).compactMap { node, gradient in
                if let node, let gradient { (node, gradient) } else { nil }
            }
        }
        return with(node)
    }
}
