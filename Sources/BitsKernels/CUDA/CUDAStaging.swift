internal import CBitsCUDA
internal import Synchronization

/// Pinned host memory through which bytes go to the GPU, so that the caller has its own back before the work that is queued is done.
///
/// Segments are used in turn. One that is full is marked by an event, and filled again when what it held has been copied: who brings more than they hold together
/// waits for that.
final class CUDAStaging: Sendable {
    private static let segmentByteCount = 4 << 20
    private static let segmentCount = 8
    /// All that it takes of the host.
    static let byteCount = segmentByteCount * segmentCount

    private struct State: ~Copyable {
        var memory: UInt = 0
        var segment = 0
        var used = 0
        /// The event behind the last copy from each segment.
        var events: [UInt] = []
    }

    private let context: CUDAContext
    private let state = Mutex(State())

    init(_ context: CUDAContext) { self.context = context }

    deinit {
        state.withLock { state in
            for event in state.events { unsafe _ = bits_cuda_event_destroy(context.pointer, UnsafeMutableRawPointer(bitPattern: event)) }
            unsafe _ = bits_cuda_free_host(context.pointer, UnsafeMutableRawPointer(bitPattern: state.memory))
        }
    }

    /// Queues a copy of `bytes` to `address`.
    ///
    /// - Returns: the driver's status.
    func copy(_ bytes: RawSpan, to address: UInt, stream: UnsafeMutableRawPointer?) -> Int32 {
        unsafe bytes.withUnsafeBytes { source in
            state.withLock { state in
                var done = 0
                var status = prepare(&state)
                while status == 0 && done < source.count {
                    let room = CUDAStaging.segmentByteCount - state.used
                    if room == 0 {
                        status = unsafe advance(&state, stream)
                        continue
                    }
                    let count = min(room, source.count - done)
                    let place = unsafe UnsafeMutableRawPointer(bitPattern: state.memory)! + state.segment * CUDAStaging.segmentByteCount + state.used
                    unsafe place.copyMemory(from: source.baseAddress! + done, byteCount: count)
                    status = unsafe bits_cuda_copy_in(context.pointer, stream, UInt64(address) + UInt64(done), place, count)
                    done += count
                    // What follows begins where a number of any width may lie.
                    state.used = min(CUDAStaging.segmentByteCount, (state.used + count + 63) & ~63)
                }
                return status
            }
        }
    }

    private func prepare(_ state: inout State) -> Int32 {
        guard state.memory == 0 else { return 0 }
        var memory: UnsafeMutableRawPointer?
        var status = unsafe bits_cuda_allocate_host(context.pointer, CUDAStaging.byteCount, &memory)
        for _ in 0..<CUDAStaging.segmentCount where status == 0 {
            var event: UnsafeMutableRawPointer?
            status = unsafe bits_cuda_event_create(context.pointer, &event)
            state.events.append(UInt(bitPattern: event))
        }
        if status == 0 { state.memory = UInt(bitPattern: memory) }
        return status
    }

    /// Goes to the next segment, and waits until what it held is on the device.
    private func advance(_ state: inout State, _ stream: UnsafeMutableRawPointer?) -> Int32 {
        let status = unsafe bits_cuda_event_record(context.pointer, UnsafeMutableRawPointer(bitPattern: state.events[state.segment]), stream)
        guard status == 0 else { return status }
        state.segment = (state.segment + 1) % CUDAStaging.segmentCount
        state.used = 0
        return unsafe bits_cuda_event_wait(context.pointer, UnsafeMutableRawPointer(bitPattern: state.events[state.segment]))
    }
}
