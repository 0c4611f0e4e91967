/// A GPU that is sold, by its memory.
public struct GPUModel: Sendable, Equatable {
    public let name: String
    /// Bytes, as its maker counts them.
    public let byteCount: Int

    /// What the driver, its context and compiled kernels take of any.
    public static let reservedByteCount = 600_000_000

    /// Bytes that work has.
    public var usableByteCount: Int { byteCount - GPUModel.reservedByteCount }

    /// From small to large.
    public static let all = [
        GPUModel("T4", gigabytes: 16), GPUModel("L4", gigabytes: 24), GPUModel("A10", gigabytes: 24), GPUModel("RTX 3090, 4090", gigabytes: 24),
        GPUModel("A100", gigabytes: 40), GPUModel("L40S", gigabytes: 48), GPUModel("A100", gigabytes: 80), GPUModel("H100", gigabytes: 80),
        GPUModel("H200", gigabytes: 141),
    ]

    private init(_ name: String, gigabytes: Int) { (self.name, byteCount) = (name, gigabytes * 1_000_000_000) }
}
