import BitsCore
public import BitsQuant

/// How an optimizer keeps the moments of its parameters: in what precision, and where.
public struct MomentStorage: Sendable, Equatable {
    public enum Precision: Sendable, Equatable {
        /// 4 bytes per element and moment.
        case float32
        /// 1 byte per element and moment, and 4 per block: 2.03125 bytes per element for the two moments of Adam.
        case blockwise8bit(BlockSize)
    }

    public var precision: Precision
    /// Parameters with fewer elements keep float32 moments: the smallest are often the most sensitive, and save nothing. Original: `min_8bit_size`.
    public var minimum8bitCount: Int
    /// nil: in the device's memory.
    public var paging: Paging?

    private init(_ precision: Precision, minimum8bitCount: Int, paged: Bool) {
        self.precision = precision
        self.minimum8bitCount = minimum8bitCount
        paging = paged ? Paging() : nil
    }

    /// 32-bit moments.
    public static let float32 = float32(paged: false)

    /// 32-bit moments, paged if wanted; ``paging`` says where. The minimum counts for parameters that an override keeps in 8 bits.
    public static func float32(minimumCount: Int = 4096, paged: Bool) -> MomentStorage {
        MomentStorage(.float32, minimum8bitCount: minimumCount, paged: paged)
    }

    /// 8-bit moments: codes of the dynamic maps, scaled per block; paged if wanted, where ``paging`` says.
    ///
    /// Dettmers et al. 2022, "8-bit Optimizers via Block-wise Quantization", arXiv:2110.02861.
    public static func blockwise8bit(
        blockSize: BlockSize = .statistics, minimumCount: Int = 4096, paged: Bool = false
    ) -> MomentStorage {
        MomentStorage(.blockwise8bit(blockSize), minimum8bitCount: minimumCount, paged: paged)
    }

    /// The same, paged as `paging` says.
    public func paged(_ paging: Paging) -> MomentStorage {
        var storage = self
        storage.paging = paging
        return storage
    }

    /// Elements per scale for a parameter of `count` elements; nil where it keeps float32 moments.
    func blockSize(forCount count: Int) -> BlockSize? {
        guard case .blockwise8bit(let size) = precision, count >= minimum8bitCount else { return nil }
        return size
    }

    /// Bytes that a moment of `count` elements takes less than in float32.
    func byteCountSaved(_ count: Int) -> Int {
        guard let size = blockSize(forCount: count)?.count else { return 0 }
        return 3 * count - 4 * ((count + size - 1) / size)
    }

    /// This storage as `parameter` wants it, or an override where there is one.
    func applying(_ override: ParameterOverride?, to parameter: Parameter) -> MomentStorage {
        var override = override ?? ParameterOverride()
        if override.bits == nil && parameter.keeps32BitMoments { override.bits = .thirtyTwo }
        return applying(override)
    }

    func applying(_ override: ParameterOverride) -> MomentStorage {
        var storage = self
        if let count = override.minimum8bitCount { storage.minimum8bitCount = count }
        switch (override.bits, precision) {
        case (.thirtyTwo, _): storage.precision = .float32
        case (.eight, .float32): storage.precision = .blockwise8bit(.statistics)
        default: break
        }
        return storage
    }
}
