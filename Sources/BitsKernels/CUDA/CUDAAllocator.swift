internal import CBitsCUDA
internal import Synchronization

/// Memory of one GPU. What is freed is kept for the next that asks for as much: the driver is slow to give memory and waits for the GPU to take it back.
///
/// All work is in one queue, so a block may be given away while work on what it held before is still to be done.
final class CUDAAllocator: Sendable {
    private struct State {
        /// Blocks that nobody uses, by size, ascending.
        var idle: [(size: Int, addresses: [UInt])] = []
        var usedByteCount = 0
        var idleByteCount = 0
        var recorded = RecordedMemory()
    }

    private let context: CUDAContext
    private let limit: Int
    private let state = Mutex(State())

    /// - Parameter limit: bytes that may be held, for tests of what happens when there are no more.
    init(_ context: CUDAContext, limit: Int = .max) {
        self.context = context
        self.limit = limit
    }

    deinit { empty() }

    /// Bytes that are in use, as they were asked for and rounded up.
    var usedByteCount: Int { state.withLock { $0.usedByteCount } }

    /// Bytes that are held for later use.
    var idleByteCount: Int { state.withLock { $0.idleByteCount } }

    /// Bytes that it could still give: what is idle goes back to the driver where it does not fit.
    var freeByteCount: Int { state.withLock { min(context.memory.free + $0.idleByteCount, limit - $0.usedByteCount) } }

    /// The address of at least `byteCount` bytes; 0 when there are no more, with what the driver said.
    func allocate(byteCount: Int) -> (address: UInt, status: Int32) {
        let size = CUDAAllocator.roundedUp(byteCount)
        return state.withLock { state in
            if let address = state.recorded.takeFreed(size) {
                state.usedByteCount += size
                return (address, 0)
            }
            let (address, status) = takeIdle(size, &state).map { ($0, 0) } ?? fresh(size, &state)
            if address != 0 {
                if state.recorded.isRecording { state.recorded.add(address, size: size) }
                state.usedByteCount += size
            }
            return (address, status)
        }
    }

    func deallocate(address: UInt, byteCount: Int) {
        let size = CUDAAllocator.roundedUp(byteCount)
        state.withLock { state in
            state.usedByteCount -= size
            if !state.recorded.takeBack(address) { addIdle(address, size: size, &state) }
        }
    }

    /// From now on blocks are given away for a recording.
    func beginRecording() { state.withLock { $0.recorded.begin() } }

    /// Ends it; the blocks that it was given stay its own.
    func endRecording() -> [UInt] { state.withLock { $0.recorded.end() } }

    /// Takes the blocks of a recording back that is gone; those that somebody holds when they are freed.
    func release(_ blocks: [UInt]) {
        state.withLock { state in
            for block in state.recorded.release(blocks) { addIdle(block.address, size: block.size, &state) }
        }
    }

    private func addIdle(_ address: UInt, size: Int, _ state: inout State) {
        state.idleByteCount += size
        let place = state.idle.firstIndex { $0.size >= size } ?? state.idle.count
        if place < state.idle.count && state.idle[place].size == size {
            state.idle[place].addresses.append(address)
        } else {
            state.idle.insert((size, [address]), at: place)
        }
    }

    /// Gives what is idle back to the driver.
    func empty() { state.withLock { empty(&$0) } }

    private func takeIdle(_ size: Int, _ state: inout State) -> UInt? {
        guard let place = state.idle.firstIndex(where: { $0.size == size }), let address = state.idle[place].addresses.popLast() else { return nil }
        if state.idle[place].addresses.isEmpty { state.idle.remove(at: place) }
        state.idleByteCount -= size
        return address
    }

    private func fresh(_ size: Int, _ state: inout State) -> (address: UInt, status: Int32) {
        if state.usedByteCount + state.idleByteCount + size > limit { empty(&state) }
        guard state.usedByteCount + size <= limit else { return (0, CUDADriver.outOfMemory) }
        var address: UInt64 = 0
        var status = unsafe bits_cuda_allocate(context.pointer, size, &address)
        if status == CUDADriver.outOfMemory {
            empty(&state)
            status = unsafe bits_cuda_allocate(context.pointer, size, &address)
        }
        return (status == 0 ? UInt(address) : 0, status)
    }

    private func empty(_ state: inout State) {
        for (_, addresses) in state.idle {
            for address in addresses { unsafe _ = bits_cuda_free(context.pointer, UInt64(address)) }
        }
        state.idle = []
        state.idleByteCount = 0
    }

    /// Up to a megabyte one of eight sizes between powers of two, so that blocks fit again; beyond, whole pages of the GPU.
    static func roundedUp(_ byteCount: Int) -> Int {
        let page = 2 << 20
        if byteCount > page / 2 { return (byteCount + page - 1) / page * page }
        if byteCount <= 512 { return 512 }
        let step = (1 << (Int.bitWidth - (byteCount - 1).leadingZeroBitCount)) / 16
        return (byteCount + step - 1) / step * step
    }
}
