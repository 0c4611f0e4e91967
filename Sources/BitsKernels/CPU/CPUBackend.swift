import BitsSystem
internal import CBitsCPU
internal import Synchronization

/// A kernel that has a version in C.
protocol CPUKernel: Kernel {
    /// Whether the C version takes the operands and options as they are; else the reference runs.
    var suitsC: Bool { get }
    /// Returns the status of the C function.
    func runOnCPU() -> Int32
}

extension CPUKernel {
    var suitsC: Bool { true }
}

/// The host's processor: kernels run at once, on the thread that submits them and the pool.
final class CPUBackend: DeviceBackend {
    static let shared = CPUBackend()

    let name = "cpu"
    let worksAtOnce = true
    private let failure = Mutex<DeviceFailure?>(nil)
    /// Whether there is a ``failure``; kernels are left out then, as their operands may not exist.
    let hasFailed = Atomic<Bool>(false)
    private let allocated = Atomic<Int>(0)
    let ledger = MemoryLedger()
    let blocks = BlockAllocator()
    private let references = Mutex<[String: Int]>([:])
    /// Memory of recordings, and how many there are.
    let recorded = Mutex(RecordedMemory())
    let recordings = Atomic<Int>(0)
    /// Held while work is recorded.
    let recordingTurn = Mutex<Void>(())

    var allocatedByteCount: Int { allocated.load(ordering: .relaxed) }

    var referenceRuns: [String: Int] { references.withLock { $0 } }

    func allocate(byteCount: Int) -> UInt {
        let size = blockByteCount(byteCount)
        // What is allocated after a failure would never be filled.
        let address = hasFailed.load(ordering: .acquiring) ? 0 : recordedBlock(byteCount: size) ?? blocks.allocate(byteCount: size)
        guard address != 0 else {
            record(.outOfMemory(byteCount: byteCount, device: name, held: ledger.live), leavesMemoryMissing: true)
            return 0
        }
        allocated.wrappingAdd(size, ordering: .relaxed)
        return address
    }

    func deallocate(address: UInt, byteCount: Int) {
        guard address != 0 else {
            changeFailure { $0?.released() }
            return
        }
        allocated.wrappingSubtract(blockByteCount(byteCount), ordering: .relaxed)
        if recordings.load(ordering: .acquiring) > 0 && recorded.withLock({ $0.takeBack(address) }) { return }
        blocks.deallocate(address: address, byteCount: blockByteCount(byteCount))
    }

    func blockByteCount(_ byteCount: Int) -> Int { CPUBackend.blockByteCount(byteCount) }

    static func blockByteCount(_ byteCount: Int) -> Int { max(64, (byteCount + 63) & ~63) }

    func adopt(_ file: MappedFile) -> UInt? { file.address }

    func openPageStore(folder: String) throws(FileError) -> (any DevicePageStore)? { try PageFile(folder: folder) }

    func upload(_ bytes: RawSpan, to slice: Slice) {
        precondition(bytes.byteCount == slice.byteCount, "\(bytes.byteCount) bytes for a slice of \(slice.byteCount)")
        guard slice.hasMemory, bytes.byteCount > 0 else { return }
        if let recorder {
            let (kept, place) = (unsafe bytes.withUnsafeBytes { unsafe [UInt8]($0) }, slice.borrowed())
            return recorder.append(upload: { HostMemory().store(kept, to: place) })
        }
        unsafe bytes.withUnsafeBytes { unsafe _ = memcpy(slice.pointer, $0.baseAddress!, $0.count) }
    }

    func download(_ slice: Slice, into bytes: inout MutableRawSpan) throws(DeviceError) {
        try synchronize()
        precondition(bytes.byteCount == slice.byteCount, "\(bytes.byteCount) bytes for a slice of \(slice.byteCount)")
        guard bytes.byteCount > 0 else { return }
        unsafe bytes.withUnsafeMutableBytes { unsafe _ = memcpy($0.baseAddress!, slice.pointer, $0.count) }
    }

    func downloadLater(_ slice: Slice) -> LateBytes {
        if let error = failure.withLock({ $0?.error }) {
            return { () throws(DeviceError) in
                self.changeFailure { $0?.reported(error) }
                throw error
            }
        }
        let bytes = HostMemory().load(slice)
        return { bytes }
    }

    func withBytes<R>(of slice: Slice, _ body: (RawSpan) -> R) throws(DeviceError) -> R {
        try synchronize()
        return unsafe body(UnsafeRawBufferPointer(start: slice.pointer, count: slice.byteCount).bytes)
    }

    func copy(_ source: Slice, to destination: Slice) throws(DeviceError) {
        guard destination.hasMemory, source.byteCount > 0 else { return try synchronize() }
        var bytes = unsafe MutableRawSpan(_unsafeStart: destination.pointer, byteCount: destination.byteCount)
        try source.device.backend.download(source, into: &bytes)
    }

    func submit(_ kernel: some Kernel) {
        if hasFailed.load(ordering: .acquiring) { return }
        if let recorder { return recorder.append(kernel.borrowingOperands(), on: self) }
        run(kernel)
    }

    func run(_ kernel: some Kernel) {
        guard let native = kernel as? any CPUKernel, native.suitsC else {
            noteReference(of: type(of: kernel))
            return kernel.reference(HostMemory())
        }
        let status = native.runOnCPU()
        if status != 0 { record(.kernelFailed(type(of: native).name, device: name, status: Int(status))) }
    }

    func noteReference(of kernel: (some Kernel).Type) { references.withLock { $0[kernel.name, default: 0] += 1 } }

    func synchronize() throws(DeviceError) {
        precondition(recorder == nil, "what is being recorded has not been computed; read it after the recording has been submitted")
        guard hasFailed.load(ordering: .acquiring) else { return }
        var error: DeviceError?
        changeFailure { error = $0?.reported() }
        if let error { throw error }
    }

    private func record(_ error: DeviceError, leavesMemoryMissing: Bool = false) {
        changeFailure { $0 = DeviceFailure($0, error, leavesMemoryMissing: leavesMemoryMissing) }
    }

    private func changeFailure(_ change: (inout DeviceFailure?) -> Void) {
        failure.withLock {
            change(&$0)
            if $0?.isOver == true { $0 = nil }
            hasFailed.store($0 != nil, ordering: .releasing)
        }
    }
}

/// The processor's memory, as reference implementations see it.
struct HostMemory: ReferenceMemory {
    func load(_ slice: Slice) -> [UInt8] {
        guard slice.byteCount > 0 else { return [] }
        return unsafe [UInt8](UnsafeRawBufferPointer(start: slice.pointer, count: slice.byteCount))
    }

    func store(_ bytes: [UInt8], to slice: Slice) {
        precondition(bytes.count == slice.byteCount, "\(bytes.count) bytes for a slice of \(slice.byteCount)")
        guard !bytes.isEmpty else { return }
        unsafe bytes.withUnsafeBytes { unsafe _ = memcpy(slice.pointer, $0.baseAddress!, $0.count) }
    }
}
