public import BitsKernels

extension Device {
    /// A new device that shares nothing with the host, and does with what it is given everything that a device may do.
    ///
    /// Its memory has addresses that no processor can follow; bytes get in and out by copies alone. Its work is done on a thread of its own, in order, and
    /// as late as possible: nothing happens before the host waits, and then only what was submitted before the thing that it waits for. Nothing that is
    /// submitted keeps its operands, and memory that was freed is gone for work that comes after, so that work on it stops the process; so do operands
    /// that overlap. Kernels are the references. What works on it assumes neither the host's memory nor immediate execution.
    ///
    /// - Parameters:
    ///   - capacity: bytes it can hold; beyond, allocations fail as they do on a real device.
    ///   - failingKernels: names of kernels that fail instead of running.
    ///   - missingKernels: names of kernels that it has no version of, so that the host runs their references.
    public static func deferred(capacity: Int = .max, failingKernels: Set<String> = [], missingKernels: Set<String> = []) -> Device {
        Device(backend: DeferredBackend(capacity: capacity, failingKernels: failingKernels, missingKernels: missingKernels))
    }

    /// What this deferred device has been asked for since it was made, or since ``forgetCounts()``.
    public var counts: DeferredCounts { deferredBackend.counts }

    public func forgetCounts() { deferredBackend.forgetCounts() }

    private var deferredBackend: DeferredBackend {
        guard let deferred = backend as? DeferredBackend else { preconditionFailure("\(name) counts nothing") }
        return deferred
    }
}

/// What a deferred device was asked for.
public struct DeferredCounts: Sendable, Equatable {
    /// Kernels submitted, by name.
    public internal(set) var kernels: [String: Int] = [:]
    /// Those of them that the host ran by their references, by name.
    public internal(set) var referenceRuns: [String: Int] = [:]
    /// Times that work met paged memory that was away.
    public internal(set) var pageFaults = 0
    /// Copies to where they take none of the device's memory.
    public internal(set) var awayCopies = 0
    /// Copies from the host.
    public internal(set) var uploads = 0
    /// Waits for the bytes of a slice.
    public internal(set) var downloads = 0
    /// Waits for everything.
    public internal(set) var synchronizations = 0
    /// Waits for bytes that were submitted to be read before.
    public internal(set) var lateReads = 0

    /// All times that the host waited.
    public var hostWaits: Int { downloads + synchronizations + lateReads }
}
