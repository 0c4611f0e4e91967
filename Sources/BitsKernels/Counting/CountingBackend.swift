import BitsSystem
internal import Synchronization

/// Memory without contents: addresses are numbers, kernels do nothing, and the ledger that buffers keep says what another device would hold.
final class CountingBackend: DeviceBackend {
    /// Uploads up to this size can be read back: the descriptions and small tables that the host reads where it loads.
    private static let mostKept = 16 << 10

    private struct State {
        /// Aligned as any device aligns what it gives.
        var nextAddress: UInt = 1 << 40
        var allocated = 0
        /// What was uploaded in small pieces, by address.
        var uploads: [UInt: [UInt8]] = [:]
    }

    let name: String
    let worksAtOnce = true
    let ledger = MemoryLedger()
    let referenceRuns: [String: Int] = [:]
    private let kind: Device.Kind
    private let byteCount: Int?
    private let state = Mutex(State())

    init(_ kind: Device.Kind, byteCount: Int?) {
        (self.kind, self.byteCount) = (kind, byteCount)
        name = "counting \(kind.rawValue)"
    }

    var allocatedByteCount: Int { state.withLock { $0.allocated } }
    var freeByteCount: Int? { byteCount.map { max(0, $0 - ledger.live.total) } }

    func blockByteCount(_ byteCount: Int) -> Int {
        switch kind {
        case .cpu: CPUBackend.blockByteCount(byteCount)
        case .cuda: CUDAAllocator.roundedUp(byteCount)
        }
    }

    func allocate(byteCount: Int) -> UInt {
        state.withLock { state in
            defer { state.nextAddress += UInt(byteCount + 4096) & ~4095 }
            state.allocated += byteCount
            return state.nextAddress
        }
    }

    func deallocate(address: UInt, byteCount: Int) {
        state.withLock { state in
            state.allocated -= byteCount
            state.uploads[address] = nil
        }
    }

    func adopt(_ file: MappedFile) -> UInt? { kind == .cpu ? file.address : nil }

    func openPageStore(folder: String) throws(FileError) -> (any DevicePageStore)? { CountingPageStore() }

    func putAway(_ slice: Slice) -> (any AwayCopy)? { kind == .cuda ? CountingAwayCopy(of: slice) : nil }

    func upload(_ bytes: RawSpan, to slice: Slice) {
        guard bytes.byteCount <= CountingBackend.mostKept else { return }
        let kept = [UInt8](copying: bytes)
        state.withLock { $0.uploads[slice.deviceAddress] = kept }
    }

    func download(_ slice: Slice, into bytes: inout MutableRawSpan) throws(DeviceError) { contents(of: slice).copy(into: &bytes) }

    func downloadLater(_ slice: Slice) -> LateBytes {
        let bytes = contents(of: slice)
        return { bytes }
    }

    func submit(_ kernel: some Kernel) {
        let written = kernel.written
        state.withLock { state in
            for slice in written { state.uploads[slice.deviceAddress] = nil }
        }
        // A GPU's version of a kernel takes memory for its launches, which lead nowhere here.
        if kind == .cuda, let native = kernel as? any CUDAKernel, native.suitsCUDA { native.launch(on: CUDAQueue(backend: self)) }
    }

    func record(_ work: () -> Void) -> RecordingResult {
        work()
        return .recorded(CountingRecording())
    }

    func synchronize() throws(DeviceError) {}

    private func contents(of slice: Slice) -> [UInt8] {
        let kept = state.withLock { $0.uploads[slice.deviceAddress] }
        if let kept, kept.count == slice.byteCount { return kept }
        guard slice.dtype.isFloatingPoint else { return [UInt8](repeating: 0, count: slice.byteCount) }
        return slice.dtype.bytes(of: (0..<slice.count).map(CountingBackend.number))
    }

    /// From 0 to below 1, as if drawn at random.
    private static func number(_ index: Int) -> Float {
        var bits = UInt32(truncatingIfNeeded: index) &* 0x9e37_79b9
        bits = (bits ^ bits >> 16) &* 0x85eb_ca6b
        bits = (bits ^ bits >> 13) &* 0xc2b2_ae35
        return Float(bits >> 8) * 0x1p-24
    }
}

/// Work that was done when it was recorded, as far as it is done at all.
private final class CountingRecording: RecordedWork {
    func submit() {}
}
