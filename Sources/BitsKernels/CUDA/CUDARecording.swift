internal import CBitsCUDA
internal import Synchronization

/// A list of launches that the GPU knows as a whole (a CUDA graph), to be run again and again at the price of one.
///
/// It owns the memory that the launches use between them: nobody else gets it before the recording goes.
final class CUDARecording: RecordedWork {
    private let backend: CUDABackend
    private let graph: UInt
    private let blocks: [UInt]
    private let tables: [CUDAPinnedMemory.Block]

    init(_ backend: CUDABackend, graph: UInt, blocks: [UInt], tables: [CUDAPinnedMemory.Block]) {
        (self.backend, self.graph, self.blocks, self.tables) = (backend, graph, blocks, tables)
    }

    func submit() { backend.launch(graph: graph) }

    deinit {
        try? backend.synchronize()
        unsafe _ = bits_cuda_graph_destroy(backend.context.pointer, UnsafeMutableRawPointer(bitPattern: graph))
        backend.turn.hold { backend.memory.release(blocks) }
    }
}

extension CUDABackend {
    func record(_ work: () -> Void) -> RecordingResult {
        // A launch that is waited for cannot be recorded.
        if waitsForEach { return .unsupported }
        return turn.hold {
            guard !hasFailed.load(ordering: .acquiring) else { return .unsupported }
            recordedTables.withLock { $0 = [] }
            memory.beginRecording()
            note(unsafe bits_cuda_capture_begin(context.pointer, stream.pointer), in: "recording")
            work()
            var graph: UnsafeMutableRawPointer?
            note(unsafe bits_cuda_capture_end(context.pointer, stream.pointer, &graph), in: "recording")
            let blocks = memory.endRecording()
            let tables = recordedTables.withLock { tables in
                defer { tables = nil }
                return tables ?? []
            }
            guard let graph = unsafe graph, !hasFailed.load(ordering: .acquiring) else {
                if unsafe graph != nil { unsafe _ = bits_cuda_graph_destroy(context.pointer, graph) }
                memory.release(blocks)
                return .failed
            }
            return .recorded(CUDARecording(self, graph: UInt(bitPattern: graph), blocks: blocks, tables: tables))
        }
    }

    /// Keeps `bytes` for as long as the recording; nil where none is under way.
    func recordedTable(_ bytes: RawSpan) -> CUDAPinnedMemory.Block? {
        guard recordedTables.withLock({ $0 != nil }) else { return nil }
        let (taken, status) = tables.take(byteCount: bytes.byteCount)
        note(status, in: "pinned memory for a recording")
        guard let block = taken else { return nil }
        unsafe bytes.withUnsafeBytes { unsafe block.pointer!.copyMemory(from: $0.baseAddress!, byteCount: $0.count) }
        recordedTables.withLock { $0?.append(block) }
        return block
    }

    func launch(graph: UInt) {
        if hasFailed.load(ordering: .acquiring) { return }
        turn.hold {
            note(unsafe bits_cuda_graph_launch(context.pointer, UnsafeMutableRawPointer(bitPattern: graph), stream.pointer), in: "recorded work")
        }
    }
}
