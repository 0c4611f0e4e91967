public import BitsKernels
import BitsSystem
import Synchronization

/// The processor as a device of its own that counts what happens on it: memory, and kernels by name. Other tests, which run beside it, are not counted.
public struct Meter: Sendable {
    private let backend = MeteredBackend()

    public init() {}

    public var device: Device { Device(backend: backend) }

    /// Bytes held by living buffers.
    public var byteCount: Int { backend.allocatedByteCount }

    /// The most bytes that were held at once while `body` ran, beyond those held before.
    public func peak<R>(of body: () throws -> R) rethrows -> Int {
        let before = backend.restart()
        _ = try body()
        return backend.counts.withLock { $0.peak } - before
    }

    /// How often kernels called `name` have run.
    public func runs(of name: String) -> Int { backend.counts.withLock { $0.runs[name, default: 0] } }
}

/// Counts, and has the processor do it.
private final class MeteredBackend: DeviceBackend {
    struct Counts {
        var allocated = 0
        var peak = 0
        var runs: [String: Int] = [:]
    }

    let name = "metered"
    let counts = Mutex(Counts())
    let ledger = MemoryLedger()
    private let processor = Device.cpu.backend

    /// Forgets the peak; returns what is held now.
    func restart() -> Int {
        counts.withLock {
            $0.peak = $0.allocated
            return $0.allocated
        }
    }

    var allocatedByteCount: Int { counts.withLock { $0.allocated } }

    var referenceRuns: [String: Int] { processor.referenceRuns }

    var worksAtOnce: Bool { processor.worksAtOnce }

    func allocate(byteCount: Int) -> UInt {
        counts.withLock {
            $0.allocated += byteCount
            $0.peak = max($0.peak, $0.allocated)
        }
        return processor.allocate(byteCount: byteCount)
    }

    func deallocate(address: UInt, byteCount: Int) {
        counts.withLock { $0.allocated -= byteCount }
        processor.deallocate(address: address, byteCount: byteCount)
    }

    func blockByteCount(_ byteCount: Int) -> Int { processor.blockByteCount(byteCount) }

    func adopt(_ file: MappedFile) -> UInt? { processor.adopt(file) }

    func openPageStore(folder: String) throws(FileError) -> (any DevicePageStore)? { try processor.openPageStore(folder: folder) }

    func upload(_ bytes: RawSpan, to slice: Slice) { processor.upload(bytes, to: slice) }

    func download(_ slice: Slice, into bytes: inout MutableRawSpan) throws(DeviceError) { try processor.download(slice, into: &bytes) }

    func downloadLater(_ slice: Slice) -> LateBytes { processor.downloadLater(slice) }

    func submit(_ kernel: some Kernel) {
        counts.withLock { $0.runs[type(of: kernel).name, default: 0] += 1 }
        processor.submit(kernel)
    }

    func synchronize() throws(DeviceError) { try processor.synchronize() }
}
