import BitsKernels
internal import Synchronization

/// Runs `block` and keeps nothing of what it computes but its result; ``Tensor/backward(retainingGraph:)`` runs it again when it gets there.
///
/// A training step through n equal blocks then holds the inputs of n and the inside of one, and takes up to a third more time. Gradients, of the
/// parameters that the block uses and of tensors from outside alike, are bit for bit those of `block()`. Where nothing in the block is to be
/// differentiated, this is `block()`.
///
/// What the block draws at random, for dropout say, it draws again as the first time, and generators advance once. Anything else that it does besides
/// computing its result happens twice. Blocks may be checkpointed inside of checkpointed blocks.
///
/// - Parameter block: computes the same whenever it runs. `backward` runs it in the task that calls it, which has to be the one that owns the
///   parameters.
/// - Note: Chen et al. 2016, "Training Deep Nets with Sublinear Memory Cost", arXiv:1604.06174. Reference: `torch.utils.checkpoint`.
public func checkpointed(_ block: @escaping () -> Tensor) -> Tensor {
    // Inside of another block's first run it is that block which will run again, and come here again.
    guard Tape.isRecording, Tape.firstRun == nil else { return block() }
    let firstRun = FirstRun()
    let result = Tape.$firstRun.withValue(firstRun, operation: block)
    let (inputs, draws) = firstRun.notes
    guard !inputs.isEmpty, result.node == nil else { return result }
    let (second, shape) = (SecondRun(block: block, draws: draws), result.shape)
    let node = TapeNode(inputs: inputs) { gradient in
        let result = second.run()
        precondition(result.shape == shape, "a checkpointed block gave shape \(shape), and \(result.shape) when it ran again")
        return result.node.map { [($0, gradient)] } ?? []
    }
    return result.with(node)
}

/// What the first run of a checkpointed block leaves for the second.
final class FirstRun: Sendable {
    private struct Notes {
        var inputs: [ObjectIdentifier: TapeNode] = [:]
        var draws: [RandomStream] = []
    }

    private let taken = Mutex(Notes())

    /// Nodes of an operation's inputs. As nothing in the block gets a node, they are parameters, or computed before the block.
    func note(_ nodes: [TapeNode]) {
        taken.withLock { notes in
            for node in nodes { notes.inputs[ObjectIdentifier(node)] = node }
        }
    }

    /// What was drawn from a generator.
    func note(_ draw: RandomStream) { taken.withLock { $0.draws.append(draw) } }

    /// Where gradients of the block lead, and what it drew, in order.
    var notes: (inputs: [TapeNode], draws: [RandomStream]) { taken.withLock { (Array($0.inputs.values), $0.draws) } }
}

/// A checkpointed block on its way back.
///
/// `@unchecked`: a block may use modules and parameters, which belong to one task. It is run by `backward` alone, whose caller owns them.
private struct SecondRun: @unchecked Sendable {
    let block: () -> Tensor
    let draws: [RandomStream]

    /// The block's result as it was, this time with what leads to it recorded. Its operations are later than all others that wait for their gradients,
    /// so the backward pass goes on with them as if they had been recorded at first.
    func run() -> Tensor {
        Tape.$isRecording.withValue(true) {
            Tape.$firstRun.withValue(nil) {
                Tape.$replay.withValue(DrawReplay(draws), operation: block)
            }
        }
    }
}

/// A block's second run: what it drew the first time, and what it puts off.
final class DrawReplay: Sendable {
    private let left: Mutex<ArraySlice<RandomStream>>
    /// Results that may still be put off. Where they lead to one another, each is computed and released inside of the next, so there is an end to them.
    private let room = Atomic<Int>(128)

    init(_ draws: [RandomStream]) { left = Mutex(draws[...]) }

    func next() -> RandomStream {
        guard let draw = left.withLock({ $0.popFirst() }) else {
            preconditionFailure("a checkpointed block draws random numbers more often when it runs again")
        }
        return draw
    }

    /// Whether one more result may be put off.
    func putsOff() -> Bool { room.wrappingSubtract(1, ordering: .relaxed).newValue >= 0 }
}

extension Tape {
    /// What `draw` takes from a generator; in a checkpointed block that runs again what it took the first time, without drawing.
    static func drawing(_ draw: () -> RandomStream) -> RandomStream {
        let taken = replay?.next() ?? draw()
        firstRun?.note(taken)
        return taken
    }
}
