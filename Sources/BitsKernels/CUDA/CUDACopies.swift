internal import CBitsCUDA
internal import Synchronization

/// A stream for copies between the GPU and pinned host memory, which go on beside the work. Each has an event behind it.
struct CUDACopies: Sendable {
    private let stream: CUDAStream

    init(_ context: CUDAContext) throws(DeviceError) { stream = try CUDAStream(context) }

    /// Queues a copy to the host, behind the work that is queued.
    func copyOut(_ address: UInt, to host: UnsafeMutableRawPointer?, byteCount: Int, event: UnsafeMutableRawPointer?, on backend: CUDABackend) {
        backend.turn.hold {
            unsafe follow(event, on: backend)
            backend.note(
                unsafe bits_cuda_copy_out(backend.context.pointer, stream.pointer, host, UInt64(address), byteCount), in: "copy to pinned memory")
            unsafe record(event, stream, on: backend)
        }
    }

    /// Queues a copy from the host, behind the work that is queued: the memory may be in use by what it was before.
    func copyIn(_ host: UnsafeMutableRawPointer?, to address: UInt, byteCount: Int, event: UnsafeMutableRawPointer?, on backend: CUDABackend) {
        backend.turn.hold {
            unsafe follow(event, on: backend)
            backend.note(
                unsafe bits_cuda_copy_in(backend.context.pointer, stream.pointer, UInt64(address), host, byteCount), in: "copy from pinned memory")
            unsafe record(event, stream, on: backend)
        }
    }

    /// Lets the work that is queued from now on wait for the copy before `event`.
    func settle(_ event: UnsafeMutableRawPointer?, on backend: CUDABackend) {
        backend.turn.hold {
            unsafe wait(event, backend.stream, on: backend)
            backend.unsettled.withLock { $0.writeAnything() }
        }
    }

    private func follow(_ event: UnsafeMutableRawPointer?, on backend: CUDABackend) {
        unsafe record(event, backend.stream, on: backend)
        unsafe wait(event, stream, on: backend)
    }

    private func record(_ event: UnsafeMutableRawPointer?, _ stream: CUDAStream, on backend: CUDABackend) {
        backend.turn.hold {
            backend.note(unsafe bits_cuda_event_record(backend.context.pointer, event, stream.pointer), in: "copies beside the work")
        }
    }

    private func wait(_ event: UnsafeMutableRawPointer?, _ stream: CUDAStream, on backend: CUDABackend) {
        backend.turn.hold {
            backend.note(unsafe bits_cuda_stream_wait_event(backend.context.pointer, stream.pointer, event), in: "copies beside the work")
        }
    }
}
