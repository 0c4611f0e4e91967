public import BitsKernels
import BitsSystem
import Synchronization

extension Device {
    /// A new device that shares nothing with the host: its memory has addresses that no processor can follow, bytes get in and out by copies
    /// alone, and nothing that is submitted happens before the host waits (at a download or a ``synchronize()``), then all of it in order.
    /// Kernels are the references. What works on it assumes neither the host's memory nor immediate execution.
    ///
    /// - Parameters:
    ///   - capacity: bytes it can hold; beyond, allocations fail as they do on a real device.
    ///   - failingKernels: names of kernels that fail instead of running.
    public static func deferred(capacity: Int = .max, failingKernels: Set<String> = []) -> Device {
        Device(backend: DeferredBackend(capacity: capacity, failingKernels: failingKernels))
    }
}

/// The queue and the memory behind ``Device/deferred(capacity:failingKernels:)``.
final class DeferredBackend: DeviceBackend {
    let name = "deferred"
    private let capacity: Int
    private let failingKernels: Set<String>
    private let state = Mutex(State())
    /// Held while submitted work runs, so that two waiting threads keep its order.
    private let turn = Mutex(())

    private struct State {
        var memory: [UInt: [UInt8]] = [:]
        /// Not canonical on any 64-bit processor: following it traps.
        var nextAddress: UInt = 0x0bad_0000_0000_0000
        var allocated = 0
        var queue: [@Sendable () -> Void] = []
        var failure: DeviceFailure? {
            didSet { if failure?.isOver == true { failure = nil } }
        }
    }

    init(capacity: Int, failingKernels: Set<String>) {
        self.capacity = capacity
        self.failingKernels = failingKernels
    }

    var allocatedByteCount: Int { state.withLock { $0.allocated } }

    func allocate(byteCount: Int) -> UInt {
        state.withLock { state in
            // What is allocated after a failure would never be filled.
            guard state.failure == nil && state.allocated + byteCount <= capacity else {
                state.failure = DeviceFailure(state.failure, .outOfMemory(byteCount: byteCount, device: name), leavesMemoryMissing: true)
                return 0
            }
            let address = state.nextAddress
            state.nextAddress += UInt(byteCount + 0xffff) & ~0xfff
            state.memory[address] = [UInt8](repeating: 0xa5, count: byteCount)
            state.allocated += byteCount
            return address
        }
    }

    func deallocate(address: UInt, byteCount: Int) {
        state.withLock { state in
            guard address != 0 else {
                state.failure?.released()
                return
            }
            precondition(state.memory.removeValue(forKey: address) != nil, "memory at \(address) is freed twice")
            state.allocated -= byteCount
        }
    }

    func adopt(_ file: MappedFile) -> UInt? { nil }

    func upload(_ bytes: RawSpan, to slice: Slice) {
        let bytes = [UInt8](copying: bytes)
        enqueue { DeferredMemory(backend: self).store(bytes, to: slice) }
    }

    func download(_ slice: Slice, into bytes: inout MutableRawSpan) throws(DeviceError) {
        try synchronize()
        DeferredMemory(backend: self).load(slice).copy(into: &bytes)
    }

    func submit(_ kernel: some Kernel) {
        let name = type(of: kernel).name
        if failingKernels.contains(name) {
            enqueue { self.fail(.kernelFailed(name, device: self.name, status: 1)) }
        } else {
            enqueue { kernel.reference(DeferredMemory(backend: self)) }
        }
    }

    func synchronize() throws(DeviceError) {
        turn.withLock { _ in
            // The work of one round is dropped piece by piece outside of the state's lock: it may hold the last reference to a buffer.
            while true {
                var round = state.withLock { state in
                    defer { state.queue = [] }
                    return Array(state.queue.reversed())
                }
                if round.isEmpty { break }
                while let work = round.popLast() { work() }
            }
        }
        if let error = state.withLock({ $0.failure?.reported() }) { throw error }
    }

    private func enqueue(_ work: @escaping @Sendable () -> Void) { state.withLock { $0.queue.append(work) } }

    private func fail(_ error: DeviceError) { state.withLock { $0.failure = DeviceFailure($0.failure, error, leavesMemoryMissing: false) } }

    fileprivate func withBytes<R>(of slice: Slice, _ body: (inout [UInt8], Range<Int>) -> R) -> R? {
        guard slice.buffer.address != 0 else { return nil }  // never allocated; the error is on its way
        return state.withLock { state in
            let address = slice.buffer.address
            precondition(state.memory[address] != nil, "a slice of another device, or of memory that was freed, reached \(name)")
            return body(&state.memory[address, default: []], slice.byteOffset..<slice.byteOffset + slice.byteCount)
        }
    }
}

/// The deferred device's memory, as its kernels see it.
struct DeferredMemory: ReferenceMemory {
    let backend: DeferredBackend

    func load(_ slice: Slice) -> [UInt8] {
        backend.withBytes(of: slice) { bytes, range in Array(bytes[range]) } ?? [UInt8](repeating: 0, count: slice.byteCount)
    }

    func store(_ bytes: [UInt8], to slice: Slice) {
        precondition(bytes.count == slice.byteCount, "\(bytes.count) bytes for a slice of \(slice.byteCount)")
        _ = backend.withBytes(of: slice) { memory, range in memory.replaceSubrange(range, with: bytes) }
    }
}
