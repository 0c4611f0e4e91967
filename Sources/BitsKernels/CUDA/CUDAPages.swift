import BitsSystem
internal import CBitsCUDA
internal import Synchronization

/// Pinned host memory for what need not be on the GPU all the time.
final class CUDAPageStore: DevicePageStore {
    fileprivate let backend: CUDABackend
    fileprivate let copies: CUDACopies
    private let counts = Mutex<(bytes: Int, faults: Int)>((0, 0))

    init(_ backend: CUDABackend) throws(DeviceError) {
        self.backend = backend
        copies = try CUDACopies(backend.context)
    }

    var byteCount: Int { counts.withLock { $0.bytes } }
    var faultCount: Int { counts.withLock { $0.faults } }

    func allocatePaged(byteCount: Int) throws(FileError) -> any DevicePages {
        let pages = try CUDAPages(byteCount: byteCount, in: self)
        counts.withLock { $0.bytes += byteCount }
        return pages
    }

    fileprivate func noteFault() { counts.withLock { $0.faults += 1 } }

    fileprivate func noteFreed(_ byteCount: Int) { counts.withLock { $0.bytes -= byteCount } }
}

/// Memory that lies in a block of the GPU's, or in pinned host memory where the GPU reads it over the bus.
final class CUDAPages: DevicePages {
    private struct State {
        /// The block on the GPU; 0: away.
        var block: UInt = 0
        /// Whether a copy is on its way, in either direction; the event is behind it.
        var isMoving = false
    }

    let byteCount: Int
    private let host: UInt
    private let event: UInt
    private let store: CUDAPageStore
    private var backend: CUDABackend { store.backend }
    private var copies: CUDACopies { store.copies }
    private let state = Mutex(State())

    fileprivate init(byteCount: Int, in store: CUDAPageStore) throws(FileError) {
        var (memory, event): (UnsafeMutableRawPointer?, UnsafeMutableRawPointer?) = (nil, nil)
        let context = unsafe store.backend.context.pointer
        var status = unsafe bits_cuda_event_create(context, &event)
        if status == 0 { status = unsafe bits_cuda_allocate_host(context, max(byteCount, 1), &memory) }
        guard status == 0, let memory = unsafe memory else {
            if unsafe event != nil { unsafe _ = bits_cuda_event_destroy(context, event) }
            if status == CUDADriver.outOfMemory {
                let message = "has no room for \(byteCount) bytes of moments; use a smaller model or 8-bit moments"
                throw FileError(path: "pinned host memory", message: message, code: ENOMEM)
            }
            store.backend.note(status, in: "paging")
            throw FileError(path: store.backend.name, message: "gives no memory for paging: \(CUDADriver.text(of: status))")
        }
        unsafe _ = memset(memory, 0, byteCount)
        self.byteCount = byteCount
        host = UInt(bitPattern: memory)
        self.event = UInt(bitPattern: event)
        self.store = store
    }

    deinit {
        // A copy may still be going on, and work on the host's memory.
        backend.turn.hold {
            state.withLock { settle(&$0) }
            let event = unsafe UnsafeMutableRawPointer(bitPattern: event)
            backend.note(unsafe bits_cuda_event_record(backend.context.pointer, event, backend.stream.pointer), in: "paging")
        }
        backend.note(unsafe bits_cuda_event_wait(backend.context.pointer, UnsafeMutableRawPointer(bitPattern: event)), in: "paging")
        let block = state.withLock { $0.block }
        if block != 0 { backend.deallocate(address: block, byteCount: byteCount) }
        unsafe _ = bits_cuda_event_destroy(backend.context.pointer, UnsafeMutableRawPointer(bitPattern: event))
        unsafe _ = bits_cuda_free_host(backend.context.pointer, UnsafeMutableRawPointer(bitPattern: host))
        store.noteFreed(byteCount)
    }

    var address: UInt { state.withLock { $0.block == 0 ? host : $0.block } }

    func prefetch() { backend.turn.hold { state.withLock { fetch(&$0) } } }

    func bringIn() {
        backend.turn.hold {
            state.withLock { state in
                fetch(&state)
                guard state.block != 0 else { return store.noteFault() }
                settle(&state)
            }
        }
    }

    func startEviction() {
        backend.turn.hold {
            state.withLock { state in
                guard state.block != 0, !state.isMoving else { return }
                let (target, event) = unsafe (UnsafeMutableRawPointer(bitPattern: host), UnsafeMutableRawPointer(bitPattern: event))
                unsafe copies.copyOut(state.block, to: target, byteCount: byteCount, event: event, on: backend)
                state.isMoving = true
            }
        }
    }

    func finishEviction() {
        backend.turn.hold {
            state.withLock { state in
                guard state.block != 0 else { return }
                settle(&state)
                backend.memory.deallocate(address: state.block, byteCount: byteCount)
                state.block = 0
            }
        }
    }

    /// Starts a copy to the GPU, if there is room.
    private func fetch(_ state: inout State) {
        guard state.block == 0 else { return }
        state.block = backend.memory.allocate(byteCount: byteCount).address
        guard state.block != 0 else { return }
        let (source, event) = unsafe (UnsafeMutableRawPointer(bitPattern: host), UnsafeMutableRawPointer(bitPattern: event))
        unsafe copies.copyIn(source, to: state.block, byteCount: byteCount, event: event, on: backend)
        state.isMoving = true
    }

    /// Lets the work that is queued from now on wait for the copy that is on its way.
    private func settle(_ state: inout State) {
        guard state.isMoving else { return }
        unsafe copies.settle(UnsafeMutableRawPointer(bitPattern: event), on: backend)
        state.isMoving = false
    }
}
