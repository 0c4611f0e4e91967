internal import Synchronization

/// A list of kernels to be run again and again: what it takes to make them (tensors, shapes, memory) has been done once.
///
/// It owns the memory that the kernels use between them: nobody else gets it before the recording goes.
final class CPURecording: RecordedWork {
    private let backend: CPUBackend
    private let work: [@Sendable () -> Void]
    private let blocks: [UInt]

    init(_ backend: CPUBackend, _ work: [@Sendable () -> Void], blocks: [UInt]) {
        (self.backend, self.work, self.blocks) = (backend, work, blocks)
    }

    func submit() {
        if backend.hasFailed.load(ordering: .acquiring) { return }
        for item in work { item() }
    }

    deinit {
        for block in backend.recorded.withLock({ $0.release(blocks) }) { backend.blocks.deallocate(address: block.address, byteCount: block.size) }
        backend.recordings.subtract(1, ordering: .releasing)
    }
}

/// What the thread that records has submitted so far.
final class CPURecorder: Sendable {
    @TaskLocal static var current: CPURecorder?

    private let work = Mutex<[@Sendable () -> Void]>([])

    func append(_ item: @escaping @Sendable () -> Void) { work.withLock { $0.append(item) } }

    func finish() -> [@Sendable () -> Void] { work.withLock { $0 } }
}

extension CPUBackend {
    /// The recorder of the thread that asks; work that others submit meanwhile is done as ever.
    var recorder: CPURecorder? { recordings.load(ordering: .acquiring) > 0 ? CPURecorder.current : nil }

    func record(_ work: () -> Void) -> RecordingResult {
        recordingTurn.withLock { _ in
            guard !hasFailed.load(ordering: .acquiring) else { return .unsupported }
            recordings.add(1, ordering: .acquiring)
            recorded.withLock { $0.begin() }
            let recorder = CPURecorder()
            CPURecorder.$current.withValue(recorder, operation: work)
            let recording = CPURecording(self, recorder.finish(), blocks: recorded.withLock { $0.end() })
            return hasFailed.load(ordering: .acquiring) ? .failed : .recorded(recording)
        }
    }

    /// Memory for work that is being recorded; nil at other times, and where there is none.
    func recordedBlock(byteCount: Int) -> UInt? {
        guard recorder != nil else { return nil }
        if let address = recorded.withLock({ $0.takeFreed(byteCount) }) { return address }
        let address = blocks.allocate(byteCount: byteCount)
        guard address != 0 else { return nil }
        recorded.withLock { $0.add(address, size: byteCount) }
        return address
    }
}
