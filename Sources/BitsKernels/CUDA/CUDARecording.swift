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
        backend.waitForAll()
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
            beginRecording()
            work()
            // What the host computes has ended it.
            guard submitted.withLock({ $0 != nil }) else { return .done }
            return endRecording().map { .recorded($0) } ?? .failed
        }
    }

    private func beginRecording() {
        // What is read beside the recording is there when all that was submitted before has been done.
        let (block, status) = pinned.take(byteCount: 0)
        notePinned(status, CUDAPinnedMemory.leastByteCount, in: "recording")
        if let block {
            note(unsafe bits_cuda_event_record(context.pointer, block.event, stream.pointer), in: "recording")
            note(unsafe bits_cuda_stream_wait_event(context.pointer, reading.pointer, block.event), in: "recording")
        }
        recordedTables.withLock { $0 = [] }
        memory.beginRecording()
        note(unsafe bits_cuda_capture_begin(context.pointer, stream.pointer), in: "recording")
        submitted.withLock { $0 = CUDAFusion(self) }
        // The recording begins when all before it is done, whenever it is submitted.
        unsettled.withLock { $0.settle() }
    }

    /// Ends the recording that is under way; nil where there is none, or nothing came of it, which is noted.
    private func endRecording() -> CUDARecording? {
        guard submitted.withLock({ $0 != nil }) else { return nil }
        queueSubmitted(end: true)
        submitted.withLock { $0 = nil }
        unsettled.withLock { $0.writeAnything() }
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
            return nil
        }
        return CUDARecording(self, graph: UInt(bitPattern: graph), blocks: blocks, tables: tables)
    }

    /// Ends the recording that is under way, if one is, and has what was recorded so far done: for work that the host is to do behind it.
    func leaveRecording() { turn.hold { endRecording()?.submit() } }

    /// Takes what is submitted while a recording is under way, and queues what waits long enough.
    ///
    /// - Returns: whether one is.
    func keepForRecording(_ launch: any CUDALaunching & Sendable) -> Bool {
        guard submitted.withLock({ $0?.keep(launch) ?? false }) else { return false }
        queueSubmitted(end: false)
        return true
    }

    private func queueSubmitted(end: Bool) {
        while let launch = submitted.withLock({ $0?.next(end: end) }) {
            launch.launch(on: CUDAQueue(backend: self))
            submitted.withLock { $0?.isQueueing = false }
        }
    }

    /// What `slice` holds, as nothing that is being recorded changes it; nil where it cannot be read.
    func bytesBesideRecording(of slice: Slice) -> [UInt8]? {
        var status: Int32 = 0
        let bytes = unsafe [UInt8](unsafeUninitializedCapacity: slice.byteCount) { memory, count in
            status = unsafe bits_cuda_copy_out(
                context.pointer, reading.pointer, memory.baseAddress, UInt64(slice.deviceAddress), slice.byteCount)
            if status == 0 { status = unsafe bits_cuda_stream_wait(context.pointer, reading.pointer) }
            count = slice.byteCount
        }
        return status == 0 ? bytes : nil
    }

    /// Keeps `bytes` for as long as the recording; nil where none is under way.
    func recordedTable(_ bytes: RawSpan) -> CUDAPinnedMemory.Block? {
        guard recordedTables.withLock({ $0 != nil }) else { return nil }
        let (taken, status) = tables.take(byteCount: bytes.byteCount)
        notePinned(status, bytes.byteCount, in: "recording")
        guard let block = taken else { return nil }
        unsafe bytes.withUnsafeBytes { unsafe block.pointer!.copyMemory(from: $0.baseAddress!, byteCount: $0.count) }
        recordedTables.withLock { $0?.append(block) }
        return block
    }

    func launch(graph: UInt) {
        if hasFailed.load(ordering: .acquiring) { return }
        turn.hold {
            unsettled.withLock { $0.writeAnything() }
            note(unsafe bits_cuda_graph_launch(context.pointer, UnsafeMutableRawPointer(bitPattern: graph), stream.pointer), in: "recorded work")
        }
    }
}

/// A copy of a small table, as part of a recording.
struct CUDARecordedUpload: CUDALaunching, Sendable {
    let table: CUDAPinnedMemory.Block
    let target: Slice

    func launch(on queue: CUDAQueue) {
        guard let backend = queue.backend as? CUDABackend else { return }
        let status = unsafe bits_cuda_copy_in(
            backend.context.pointer, backend.stream.pointer, UInt64(target.deviceAddress), table.pointer, target.byteCount)
        backend.note(status, in: "copy to the device")
    }
}
