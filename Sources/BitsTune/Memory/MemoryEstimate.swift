public import BitsCore

/// What work takes of a device's memory.
public struct MemoryEstimate: Sendable, Equatable {
    /// What is held when it is the most.
    public var peak: MemoryUse
    /// Bytes of moments that paging keeps elsewhere between steps.
    public var pagedByteCount: Int

    public init(peak: MemoryUse, pagedByteCount: Int = 0) {
        (self.peak, self.pagedByteCount) = (peak, pagedByteCount)
    }
}
