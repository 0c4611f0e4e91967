import BitsKernels
internal import Synchronization

/// Runs `body`, for which inputs of blocks in ``checkpointed(_:_:)`` lie in the host's memory until the way back needs them: a GPU then holds two or three of
/// them instead of one for each block.
///
/// Copies go on beside the work, each while its block runs, and back while the block behind it is walked back. Bits are the same. What lies in the host's
/// memory anyway stays where it is. Reference: `activation_offloading` in TRL.
public func offloadingBlockInputs<R, E: Error>(_ body: () throws(E) -> R) throws(E) -> R {
    let result: Result<R, E> = Tape.$blockInputs.withValue(BlockInputs()) {
        do throws(E) { return .success(try body()) } catch { return .failure(error) }
    }
    return try result.get()
}

/// As ``checkpointed(_:)``, with a block of one input: inside of ``offloadingBlockInputs(_:)`` that waits for the second run in the host's memory.
public func checkpointed(_ input: Tensor, _ block: @escaping (Tensor) -> Tensor) -> Tensor {
    guard Tape.isRecording, Tape.firstRun == nil, let away = Tape.blockInputs?.put(input) else { return checkpointed { block(input) } }
    let result = checkpointed { block(away.tensor) }
    away.letGo()
    return result
}

/// The inputs of checkpointed blocks in one computation, which the way back meets in the opposite order.
final class BlockInputs: Sendable {
    private let last = Mutex<BlockInput?>(nil)

    /// Nil where the device has no other place for it.
    fileprivate func put(_ input: Tensor) -> BlockInput? {
        last.withLock { last in
            guard let next = BlockInput(input, after: last) else { return nil }
            last = next
            return next
        }
    }
}

/// The input of a block: on the device while the block runs for the first time, then away.
private final class BlockInput: Sendable {
    private let shape: [Int]
    private let node: TapeNode?
    private let copy: any AwayCopy
    private let here: Mutex<Slice?>
    /// The input that the way back needs next.
    private let before: BlockInput?

    init?(_ input: Tensor, after before: BlockInput?) {
        let elements = input.elements
        guard let copy = input.device.putAway(elements) else { return nil }
        (shape, node, self.copy, self.before) = (input.shape, input.node, copy, before)
        here = Mutex(elements)
    }

    /// The input, as it came.
    var tensor: Tensor {
        if let elements = here.withLock({ $0 }) { return Tensor(elements, shape: shape, node: node) }
        let elements = copy.bringBack()
        before?.copy.prefetch()
        return Tensor(elements, shape: shape, node: node)
    }

    /// Leaves the device's memory, behind what has been submitted.
    func letGo() {
        here.withLock { $0 = nil }
        copy.letGo()
    }
}
