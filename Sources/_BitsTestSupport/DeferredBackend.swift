import BitsKernels
import BitsSystem
import Dispatch
import Synchronization

/// The queue behind ``BitsKernels/Device/deferred(capacity:failingKernels:missingKernels:)``.
final class DeferredBackend: DeviceBackend {
    /// Work of the queue, done on the device's thread.
    typealias Work = @Sendable (DeferredBackend) -> Void

    private struct State {
        /// What is submitted and not begun, by place in the queue.
        var queue: [Int: Work] = [:]
        var begun = 0
        var submitted = 0
        /// Not canonical on any 64-bit processor: following it traps.
        var nextAddress: UInt = 0x0bad_0000_0000_0000
        var allocated = 0
        var counts = DeferredCounts()
        var failure: DeviceFailure? {
            didSet { if failure?.isOver == true { failure = nil } }
        }

        mutating func takeAddress(byteCount: Int) -> UInt {
            defer { nextAddress += UInt(byteCount + 0xffff) & ~0xfff }
            return nextAddress
        }

        /// The next piece of work, as long as `count` pieces are not begun.
        mutating func next(of count: Int) -> Work? {
            guard begun < count else { return nil }
            begun += 1
            return queue.removeValue(forKey: begun - 1)
        }
    }

    let name = "deferred"
    let worksAtOnce = false
    let memory = DeferredMemory()
    let ledger = MemoryLedger()
    private let capacity: Int
    private let failingKernels: Set<String>
    private let missingKernels: Set<String>
    private let state = Mutex(State())
    private let thread = DispatchQueue(label: "deferred device")

    init(capacity: Int, failingKernels: Set<String>, missingKernels: Set<String>) {
        self.capacity = capacity
        self.failingKernels = failingKernels
        self.missingKernels = missingKernels
    }

    var allocatedByteCount: Int { state.withLock { $0.allocated } }
    var referenceRuns: [String: Int] { counts.referenceRuns }

    var counts: DeferredCounts {
        var counts = state.withLock { $0.counts }
        counts.pageFaults = memory.faultCount
        return counts
    }

    func forgetCounts() {
        count { $0 = DeferredCounts() }
        memory.forgetFaults()
    }

    private func count(_ change: (inout DeferredCounts) -> Void) { state.withLock { change(&$0.counts) } }
}

/// Memory: addresses are given and taken back at once, what lies there comes and goes in the order of the queue. No address is given out twice.
extension DeferredBackend {
    func allocate(byteCount: Int) -> UInt {
        let address = state.withLock { state -> UInt in
            // What is allocated after a failure would never be filled.
            guard state.failure == nil && state.allocated + byteCount <= capacity else {
                let error = DeviceError.outOfMemory(byteCount: byteCount, device: name, held: ledger.live)
                state.failure = DeviceFailure(state.failure, error, leavesMemoryMissing: true)
                return 0
            }
            state.allocated += byteCount
            return state.takeAddress(byteCount: byteCount)
        }
        if address != 0 { enqueue { $0.memory.begin(address, byteCount: byteCount, filledWith: 0xa5) } }
        return address
    }

    func deallocate(address: UInt, byteCount: Int) {
        guard address != 0 else {
            state.withLock { $0.failure?.released() }
            return
        }
        state.withLock { $0.allocated -= byteCount }
        enqueue { $0.memory.end(address) }
    }

    func adopt(_ file: MappedFile) -> UInt? { nil }

    func openPageStore(folder: String) throws(FileError) -> (any DevicePageStore)? { DeferredPageStore(backend: self) }

    func putAway(_ slice: Slice) -> (any AwayCopy)? {
        count { $0.awayCopies += 1 }
        return DeferredAwayCopy(of: slice, backend: self)
    }

    /// An address for memory that does not count as the device's own.
    func allocateAway(byteCount: Int) -> UInt {
        let address = state.withLock { $0.takeAddress(byteCount: byteCount) }
        enqueue { $0.memory.begin(address, byteCount: byteCount, filledWith: 0) }
        return address
    }
}

/// The queue.
extension DeferredBackend {
    func upload(_ bytes: RawSpan, to slice: Slice) {
        let (bytes, target) = ([UInt8](copying: bytes), Place(slice))
        count { $0.uploads += 1 }
        enqueue { $0.memory.store(bytes, at: target) }
    }

    func download(_ slice: Slice, into bytes: inout MutableRawSpan) throws(DeviceError) {
        count { $0.downloads += 1 }
        try read(slice)().copy(into: &bytes)
    }

    func downloadLater(_ slice: Slice) -> LateBytes {
        let bytes = read(slice)
        return { () throws(DeviceError) in
            self.count { $0.lateReads += 1 }
            return try bytes()
        }
    }

    func submit(_ kernel: some Kernel) {
        let name = type(of: kernel).name
        if let overlap = kernel.overlap { stop(overlap) }
        count { $0.kernels[name, default: 0] += 1 }
        if missingKernels.contains(name) {
            count { $0.referenceRuns[name, default: 0] += 1 }
            if let error = runReference(kernel) { fail(error) }
        } else if failingKernels.contains(name) {
            enqueue { $0.fail(.kernelFailed(name, device: $0.name, status: 1)) }
        } else {
            let kernel = kernel.borrowingOperands()
            enqueue { kernel.reference($0.memory) }
        }
    }

    func synchronize() throws(DeviceError) {
        count { $0.synchronizations += 1 }
        wait(for: state.withLock { $0.submitted })
        if let error = state.withLock({ $0.failure?.reported() }) { throw error }
    }

    @discardableResult
    func enqueue(_ work: @escaping Work) -> Int {
        state.withLock { state in
            state.queue[state.submitted] = work
            state.submitted += 1
            return state.submitted
        }
    }

    private func fail(_ error: DeviceError) { state.withLock { $0.failure = DeviceFailure($0.failure, error, leavesMemoryMissing: false) } }

    /// Submits a copy of `slice` to the host, and gives what waits for it.
    private func read(_ slice: Slice) -> LateBytes {
        let (source, result) = (Place(slice), LateResult())
        let place = enqueue { backend in
            let bytes = backend.memory.load(source)
            let failure = backend.state.withLock { $0.failure?.error }
            result.value.withLock { $0 = if let failure { .failure(failure) } else { .success(bytes) } }
        }
        return { () throws(DeviceError) in
            self.wait(for: place)
            guard let value = result.value.withLock({ $0 }) else { stop("a read that was waited for has not been done") }
            if case .failure(let error) = value { self.state.withLock { $0.failure?.reported(error) } }
            return try value.get()
        }
    }

    /// Lets the device's thread work until `count` pieces of work are done, and waits for it.
    private func wait(for count: Int) {
        let done = DispatchSemaphore(value: 0)
        thread.async {
            while let work = self.state.withLock({ $0.next(of: count) }) { work(self) }
            done.signal()
        }
        done.wait()
    }
}

private final class LateResult: Sendable {
    let value = Mutex<Result<[UInt8], DeviceError>?>(nil)
}

/// Ends the process with a message: tests are built without those of preconditions.
func stop(_ message: String) -> Never {
    try? StandardStream.error.write(Array("deferred device: \(message)\n".utf8))
    preconditionFailure(message)
}
