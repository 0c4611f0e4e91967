import BitsKernels
import BitsSystem
import Synchronization

/// The deferred device's memory as its thread sees it: what is there at one point of the queue.
final class DeferredMemory: ReferenceMemory, Sendable {
    private struct Block {
        var bytes: [UInt8]
        /// Paged memory may be away.
        var isAway = false
    }

    private struct State {
        var blocks: [UInt: Block] = [:]
        var faults = 0
    }

    private let state = Mutex(State())

    /// Times that work met memory that was away.
    var faultCount: Int { state.withLock { $0.faults } }

    func forgetFaults() { state.withLock { $0.faults = 0 } }

    func begin(_ address: UInt, byteCount: Int, filledWith byte: UInt8) {
        state.withLock { $0.blocks[address] = Block(bytes: [UInt8](repeating: byte, count: byteCount)) }
    }

    func end(_ address: UInt) {
        if state.withLock({ $0.blocks.removeValue(forKey: address) }) == nil { stop("memory at \(address) is freed twice") }
    }

    func move(_ address: UInt, away isAway: Bool) { state.withLock { $0.blocks[address]?.isAway = isAway } }

    func load(_ slice: Slice) -> [UInt8] { load(Place(slice)) }

    func store(_ bytes: [UInt8], to slice: Slice) { store(bytes, at: Place(slice)) }

    func load(_ place: Place) -> [UInt8] {
        access(place) { block in Array(block.bytes[place.range]) } ?? [UInt8](repeating: 0, count: place.range.count)
    }

    func store(_ bytes: [UInt8], at place: Place) {
        if bytes.count != place.range.count { stop("\(bytes.count) bytes for \(place.range.count)") }
        _ = access(place) { block in block.bytes.replaceSubrange(place.range, with: bytes) }
    }

    /// Nil where memory was never had; the error is on its way.
    private func access<R>(_ place: Place, _ body: (inout Block) -> R) -> R? {
        guard place.address != 0 else { return nil }
        return state.withLock { state in
            guard state.blocks[place.address] != nil else {
                stop("work reached memory that was freed before it was submitted, or is another device's")
            }
            if state.blocks[place.address]!.isAway { state.faults += 1 }
            return body(&state.blocks[place.address]!)
        }
    }
}

/// Paged memory of the deferred device; it knows where its contents are supposed to be.
final class DeferredPageStore: DevicePageStore {
    private let backend: DeferredBackend
    private let total = Mutex(0)

    init(backend: DeferredBackend) { self.backend = backend }

    var byteCount: Int { total.withLock { $0 } }
    var faultCount: Int { backend.memory.faultCount }

    func allocatePaged(byteCount: Int) -> any DevicePages {
        total.withLock { $0 += byteCount }
        return DeferredPages(backend: backend, byteCount: byteCount)
    }
}

private final class DeferredPages: DevicePages {
    let address: UInt
    let byteCount: Int
    private let backend: DeferredBackend

    init(backend: DeferredBackend, byteCount: Int) {
        self.backend = backend
        self.byteCount = byteCount
        address = backend.allocateAway(byteCount: byteCount)
    }

    deinit {
        let address = address
        backend.enqueue { $0.memory.end(address) }
    }

    func prefetch() {}

    func bringIn() { move(away: false) }

    func startEviction() { move(away: true) }

    func finishEviction() {}

    private func move(away: Bool) {
        let address = address
        backend.enqueue { $0.memory.move(address, away: away) }
    }
}

/// A copy on the deferred device: made when the slice may go, no sooner.
final class DeferredAwayCopy: AwayCopy {
    private let backend: DeferredBackend
    private let address: UInt
    private let dtype: DType
    private let count: Int
    private let source: Mutex<Slice?>

    init(of slice: Slice, backend: DeferredBackend) {
        self.backend = backend
        (dtype, count) = (slice.dtype, slice.count)
        address = backend.allocateAway(byteCount: slice.byteCount)
        source = Mutex(slice)
    }

    deinit {
        let address = address
        backend.enqueue { $0.memory.end(address) }
    }

    func letGo() {
        guard let slice = source.withLock({ $0.take() }) else { return }
        let (source, target) = (Place(slice), Place(address: address, byteCount: slice.byteCount))
        backend.enqueue { $0.memory.store($0.memory.load(source), at: target) }
    }

    func prefetch() {}

    func bringBack() -> Slice {
        let slice = Device(backend: backend).allocate(dtype, count: count)
        let (source, target) = (Place(address: address, byteCount: slice.byteCount), Place(slice))
        backend.enqueue { $0.memory.store($0.memory.load(source), at: target) }
        return slice
    }
}
