import BitsSystem
internal import CBitsCUDA
internal import Synchronization

/// Pinned host memory for what need not be on the GPU all the time; copies go on a stream of their own, beside the work.
final class CUDAPageStore: DevicePageStore {
    private let backend: CUDABackend
    private let copies: CUDAStream
    private let counts = Mutex<(bytes: Int, faults: Int)>((0, 0))

    init(_ backend: CUDABackend) throws(DeviceError) {
        self.backend = backend
        copies = try CUDAStream(backend.context)
    }

    var byteCount: Int { counts.withLock { $0.bytes } }
    var faultCount: Int { counts.withLock { $0.faults } }

    func allocatePaged(byteCount: Int) throws(FileError) -> any DevicePages {
        guard let pages = CUDAPages(byteCount: byteCount, backend: backend, copies: copies, noteFault: { self.counts.withLock { $0.faults += 1 } })
        else {
            throw FileError(
                path: "pinned host memory", message: "has no room for \(byteCount) bytes of moments; use a smaller model or 8-bit moments",
                code: ENOMEM)
        }
        counts.withLock { $0.bytes += byteCount }
        return pages
    }
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
    private let backend: CUDABackend
    private let copies: CUDAStream
    private let noteFault: @Sendable () -> Void
    private let state = Mutex(State())

    init?(byteCount: Int, backend: CUDABackend, copies: CUDAStream, noteFault: @escaping @Sendable () -> Void) {
        var (memory, event): (UnsafeMutableRawPointer?, UnsafeMutableRawPointer?) = (nil, nil)
        let context = unsafe backend.context.pointer
        guard unsafe bits_cuda_allocate_host(context, max(byteCount, 1), &memory) == 0, let memory = unsafe memory else { return nil }
        unsafe _ = bits_cuda_event_create(context, &event)
        unsafe _ = memset(memory, 0, byteCount)
        self.byteCount = byteCount
        host = UInt(bitPattern: memory)
        self.event = UInt(bitPattern: event)
        (self.backend, self.copies, self.noteFault) = (backend, copies, noteFault)
    }

    deinit {
        // A copy may still be going on, and work on the host's memory.
        backend.turn.hold {
            state.withLock { settle(&$0) }
            record(on: backend.stream)
        }
        backend.note(unsafe bits_cuda_event_wait(backend.context.pointer, UnsafeMutableRawPointer(bitPattern: event)), in: "paging")
        let block = state.withLock { $0.block }
        if block != 0 { backend.deallocate(address: block, byteCount: byteCount) }
        unsafe _ = bits_cuda_event_destroy(backend.context.pointer, UnsafeMutableRawPointer(bitPattern: event))
        unsafe _ = bits_cuda_free_host(backend.context.pointer, UnsafeMutableRawPointer(bitPattern: host))
    }

    var address: UInt { state.withLock { $0.block == 0 ? host : $0.block } }

    func prefetch() { backend.turn.hold { state.withLock { fetch(&$0) } } }

    func bringIn() {
        backend.turn.hold {
            state.withLock { state in
                fetch(&state)
                guard state.block != 0 else { return noteFault() }
                settle(&state)
            }
        }
    }

    func startEviction() {
        backend.turn.hold {
            state.withLock { state in
                guard state.block != 0, !state.isMoving else { return }
                follow(copies, after: backend.stream)
                let target = unsafe UnsafeMutableRawPointer(bitPattern: host)
                backend.note(
                    unsafe bits_cuda_copy_out(backend.context.pointer, copies.pointer, target, UInt64(state.block), byteCount), in: "eviction")
                record(on: copies)
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
        // The block may still be in use by what it was before.
        follow(copies, after: backend.stream)
        let source = unsafe UnsafeRawPointer(bitPattern: host)
        backend.note(unsafe bits_cuda_copy_in(backend.context.pointer, copies.pointer, UInt64(state.block), source, byteCount), in: "prefetch")
        record(on: copies)
        state.isMoving = true
    }

    /// Lets the work that is queued from now on wait for the copy that is on its way.
    private func settle(_ state: inout State) {
        guard state.isMoving else { return }
        backend.note(
            unsafe bits_cuda_stream_wait_event(backend.context.pointer, backend.stream.pointer, UnsafeMutableRawPointer(bitPattern: event)),
            in: "paging")
        state.isMoving = false
    }

    private func follow(_ stream: CUDAStream, after other: CUDAStream) {
        record(on: other)
        backend.note(
            unsafe bits_cuda_stream_wait_event(backend.context.pointer, stream.pointer, UnsafeMutableRawPointer(bitPattern: event)), in: "paging")
    }

    private func record(on stream: CUDAStream) {
        backend.note(unsafe bits_cuda_event_record(backend.context.pointer, UnsafeMutableRawPointer(bitPattern: event), stream.pointer), in: "paging")
    }
}
