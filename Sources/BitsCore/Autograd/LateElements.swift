package import BitsKernels
internal import Synchronization

/// Elements that are computed when somebody first asks for them: once for all who hold them, and gone with the last of them.
package final class LateElements: Sendable {
    private enum State {
        case awaited(@Sendable () -> Slice)
        case there(Slice)
    }

    package let dtype: DType
    package let device: Device
    private let state: Mutex<State>

    package init(_ dtype: DType, _ device: Device, compute: @escaping @Sendable () -> Slice) {
        (self.dtype, self.device) = (dtype, device)
        state = Mutex(.awaited(compute))
    }

    /// Row-major, without gaps.
    package var slice: Slice {
        state.withLock { state in
            let slice =
                switch state {
                case .awaited(let compute): compute()
                case .there(let slice): slice
                }
            // What led to them is let go.
            state = .there(slice)
            return slice
        }
    }
}

extension Tensor {
    /// The result of an operation whose gradient does without it: a fresh tensor that `compute` fills, on this tensor's device.
    ///
    /// In a checkpointed block that runs again this happens when somebody asks for the elements. Nobody does where a block ends, so its last products, sums
    /// and activations are not computed for a second time.
    package func result(_ shape: [Int], _ dtype: DType? = nil, compute: @escaping @Sendable (Slice) -> Void) -> Tensor {
        let (device, dtype, count) = (device, dtype ?? self.dtype, Shape.count(shape))
        let fill: @Sendable () -> Slice = {
            let slice = device.allocate(dtype, count: count)
            compute(slice)
            return slice
        }
        guard let replay = Tape.replay, replay.putsOff() else { return Tensor(fill(), shape: shape) }
        return Tensor(LateElements(dtype, device, compute: fill), shape: shape)
    }

    /// ``elements`` for ``result(_:_:compute:)``: those of now, or, where that is put off, as they are asked for.
    package var awaitedElements: @Sendable () -> Slice {
        if Tape.putsResultsOff { return { [tensor = detached()] in tensor.elements } }
        let elements = elements
        return { elements }
    }
}
