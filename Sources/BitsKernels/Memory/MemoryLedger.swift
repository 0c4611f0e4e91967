internal import Synchronization

/// What a device's memory is used for: now, and when most of it was.
///
/// ```swift
/// device.memory.forgetPeak()
/// try trainer.run()
/// print(device.memory.peak)  // weights 2.5 MB, ..., activations 11.0 MB
/// ```
/// Blocks count with what they take, rounded up as the device does it; so do files that are read in place, and of paged moments those that are in.
public final class MemoryLedger: Sendable {
    private let state = Mutex((live: MemoryUse(), peak: MemoryUse()))

    package init() {}

    /// What is held now.
    public var live: MemoryUse { state.withLock { $0.live } }

    /// What was held when it was the most, since the beginning or ``forgetPeak()``.
    public var peak: MemoryUse { state.withLock { $0.peak } }

    /// Has ``peak`` begin with what is held now.
    public func forgetPeak() { state.withLock { $0.peak = $0.live } }

    package func add(_ byteCount: Int, to category: MemoryCategory) {
        state.withLock { state in
            state.live[category] += byteCount
            if state.live.total > state.peak.total { state.peak = state.live }
        }
    }

    package func remove(_ byteCount: Int, from category: MemoryCategory) { state.withLock { $0.live[category] -= byteCount } }

    package func move(_ byteCount: Int, from old: MemoryCategory, to new: MemoryCategory) {
        state.withLock { state in
            state.live[old] -= byteCount
            state.live[new] += byteCount
        }
    }
}

extension Device {
    /// What the device's memory is used for.
    public var memory: MemoryLedger { backend.ledger }
}
