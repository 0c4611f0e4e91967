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
///
/// Products of one input with several weights are joined: one moves up to others past kernels that it shares nothing with that either writes.
final class CPURecorder: Sendable {
    @TaskLocal static var current: CPURecorder?

    private enum Item: Sendable {
        case upload(@Sendable () -> Void)
        case kernel(@Sendable () -> Void, KernelFootprint)
        case products(JoinedFourBitLinear)

        func conflicts(with later: KernelFootprint) -> Bool {
            switch self {
            case .upload: true
            case .kernel(_, let footprint): footprint.conflicts(with: later)
            case .products(let products): KernelFootprint(products).conflicts(with: later)
            }
        }
    }

    /// How many kernels before one are looked at for what it may join.
    private static let window = 8

    private let items = Mutex<[Item]>([])

    func append(upload: @escaping @Sendable () -> Void) { items.withLock { $0.append(.upload(upload)) } }

    func append(_ kernel: some Kernel, on backend: CPUBackend) {
        guard let product = kernel as? FourBitLinear else {
            return items.withLock { $0.append(.kernel({ backend.run(kernel) }, KernelFootprint(kernel))) }
        }
        let footprint = KernelFootprint(product)
        items.withLock { items in
            for index in items.indices.suffix(Self.window).reversed() {
                if case .products(var joined) = items[index], joined.add(product) {
                    items[index] = .products(joined)
                    return
                }
                if items[index].conflicts(with: footprint) { break }
            }
            items.append(.products(JoinedFourBitLinear(product)))
        }
    }

    func finish(on backend: CPUBackend) -> [@Sendable () -> Void] {
        items.withLock { items in
            items.map { item in
                switch item {
                case .upload(let work), .kernel(let work, _): work
                case .products(let products): { backend.run(products) }
                }
            }
        }
    }
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
            let recording = CPURecording(self, recorder.finish(on: self), blocks: recorded.withLock { $0.end() })
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
