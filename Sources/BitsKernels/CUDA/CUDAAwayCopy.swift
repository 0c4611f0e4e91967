internal import CBitsCUDA
internal import Synchronization

/// What a slice on the GPU held, in pinned host memory.
final class CUDAAwayCopy: AwayCopy {
    private struct State {
        /// What is copied, until it may go.
        var source: Slice?
        /// What is being brought back.
        var fetched: Slice?
    }

    private let backend: CUDABackend
    private let copies: CUDACopies
    private let block: CUDAPinnedMemory.Block
    private let dtype: DType
    private let count: Int
    private let state: Mutex<State>

    init(of slice: Slice, in block: CUDAPinnedMemory.Block, _ copies: CUDACopies, _ backend: CUDABackend) {
        (self.backend, self.copies, self.block) = (backend, copies, block)
        (dtype, count) = (slice.dtype, slice.count)
        state = Mutex(State(source: slice))
        unsafe copies.copyOut(slice.deviceAddress, to: block.pointer, byteCount: slice.byteCount, event: block.event, on: backend)
    }

    deinit {
        letGo()
        // A copy that nobody asked for in the end may still write there.
        if state.withLock({ $0.fetched }) != nil { _ = bringBack() }
    }

    func letGo() {
        let source = state.withLock { $0.source.take() }
        guard source != nil else { return }
        unsafe copies.settle(block.event, on: backend)
    }

    func prefetch() { state.withLock { $0.fetched = $0.fetched ?? fetched() } }

    func bringBack() -> Slice {
        let slice = state.withLock { $0.fetched.take() } ?? fetched()
        unsafe copies.settle(block.event, on: backend)
        return slice
    }

    private func fetched() -> Slice {
        let slice = backend.device.allocate(dtype, count: count)
        if slice.hasMemory {
            unsafe copies.copyIn(block.pointer, to: slice.deviceAddress, byteCount: slice.byteCount, event: block.event, on: backend)
        }
        return slice
    }
}

extension CUDABackend {
    func putAway(_ slice: Slice) -> (any AwayCopy)? {
        guard slice.hasMemory, !hasFailed.load(ordering: .acquiring) else { return nil }
        let place = away.withLock { away in
            if away == nil, let copies = try? CUDACopies(context) { away = (copies, CUDAPinnedMemory(context)) }
            return away
        }
        guard let place else { return nil }
        let (block, status) = place.memory.take(byteCount: slice.byteCount)
        // Without room on the host it stays where it is.
        if status != CUDADriver.outOfMemory { note(status, in: "pinned memory for what is kept on the host") }
        return block.map { CUDAAwayCopy(of: slice, in: $0, place.copies, self) }
    }
}
