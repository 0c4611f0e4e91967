import BitsSystem
internal import CBitsCUDA
internal import Synchronization

/// A list of launches that the GPU knows as a whole (a CUDA graph), to be run again and again at the price of one.
///
/// It owns the memory that the launches use between them: nobody else gets it before the recording goes.
final class CUDARecording: RecordedWork {
    private let backend: CUDABackend
    private let graph: UInt
    private let blocks: CUDAAllocator.RecordedBlocks
    private let tables: [CUDAPinnedMemory.Block]

    init(_ backend: CUDABackend, graph: UInt, blocks: CUDAAllocator.RecordedBlocks, tables: [CUDAPinnedMemory.Block]) {
        (self.backend, self.graph, self.blocks, self.tables) = (backend, graph, blocks, tables)
    }

    func submit() { backend.launch(graph: graph) }

    deinit {
        unsafe _ = bits_cuda_stream_wait(backend.context.pointer, backend.stream.pointer)
        unsafe _ = bits_cuda_graph_destroy(backend.context.pointer, UnsafeMutableRawPointer(bitPattern: graph))
        backend.memory.release(blocks)
    }
}

extension CUDABackend {
    /// What a recording under way collects.
    struct RecordingState {
        var thread: UInt
        /// Bytes that launches read, where they stay.
        var tables: [CUDAPinnedMemory.Block] = []
    }

    func record(_ work: () -> Void) -> (any RecordedWork)? {
        let thread = CUDABackend.currentThread
        // Work of other threads does not belong to the recording; it waits until this is over.
        waitForRecording()
        guard !hasFailed.load(ordering: .acquiring) else { return nil }
        recording.withLock { $0 = RecordingState(thread: thread) }
        isRecording.store(true, ordering: .releasing)
        memory.beginRecording()
        note(unsafe bits_cuda_capture_begin(context.pointer, stream.pointer), in: "recording")
        work()
        var graph: UnsafeMutableRawPointer?
        note(unsafe bits_cuda_capture_end(context.pointer, stream.pointer, &graph), in: "recording")
        let blocks = memory.endRecording()
        let tables = recording.withLock { state in
            defer { state = nil }
            return state?.tables ?? []
        }
        isRecording.store(false, ordering: .releasing)
        guard let graph = unsafe graph else {
            memory.release(blocks)
            return nil
        }
        return CUDARecording(self, graph: UInt(bitPattern: graph), blocks: blocks, tables: tables)
    }

    /// Waits while another thread records.
    func waitForRecording() {
        while isRecording.load(ordering: .acquiring), recording.withLock({ $0.map { $0.thread != CUDABackend.currentThread } ?? false }) {
            sched_yield()
        }
    }

    /// Keeps `bytes` for as long as the recording; nil where none is under way.
    func recordedTable(_ bytes: RawSpan) -> CUDAPinnedMemory.Block? {
        guard isRecording.load(ordering: .acquiring) else { return nil }
        let block = pinned.take(byteCount: bytes.byteCount)
        unsafe bytes.withUnsafeBytes { unsafe block.pointer!.copyMemory(from: $0.baseAddress!, byteCount: $0.count) }
        recording.withLock { $0?.tables.append(block) }
        return block
    }

    func launch(graph: UInt) {
        if hasFailed.load(ordering: .acquiring) { return }
        waitForRecording()
        note(unsafe bits_cuda_graph_launch(context.pointer, UnsafeMutableRawPointer(bitPattern: graph), stream.pointer), in: "recorded work")
    }

    private static var currentThread: UInt { UInt(bits_cuda_thread()) }
}
