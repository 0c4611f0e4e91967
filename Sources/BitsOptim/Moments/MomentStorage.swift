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

    private init(_ precision: Precision, minimum8bitCount: Int) {
        self.precision = precision
        self.minimum8bitCount = minimum8bitCount
    }

    /// 32-bit moments.
    public static let float32 = MomentStorage(.float32, minimum8bitCount: 4096)

    /// 8-bit moments: codes of the dynamic maps, scaled per block.
    ///
    /// Dettmers et al. 2022, "8-bit Optimizers via Block-wise Quantization", arXiv:2110.02861.
    public static func blockwise8bit(blockSize: BlockSize = .statistics, minimumCount: Int = 4096) -> MomentStorage {
        MomentStorage(.blockwise8bit(blockSize), minimum8bitCount: minimumCount)
    }
}
