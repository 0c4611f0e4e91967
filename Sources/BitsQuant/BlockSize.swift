/// How many consecutive elements share one scale: a power of two from 32 to 16384; for 4-bit codes to 4096.
public struct BlockSize: Sendable, Hashable {
    public let count: Int

    /// The sizes there are.
    public static let supported = [32, 64, 128, 256, 512, 1024, 2048, 4096, 8192, 16384]
    /// Those of 4-bit codes.
    public static let fourBitSupported = supported.filter { $0 <= 4096 }

    public static let b32 = BlockSize(unchecked: 32)
    public static let b64 = BlockSize(unchecked: 64)
    public static let b128 = BlockSize(unchecked: 128)
    public static let b256 = BlockSize(unchecked: 256)
    public static let b512 = BlockSize(unchecked: 512)
    public static let b1024 = BlockSize(unchecked: 1024)
    public static let b2048 = BlockSize(unchecked: 2048)
    public static let b4096 = BlockSize(unchecked: 4096)
    public static let b8192 = BlockSize(unchecked: 8192)
    public static let b16384 = BlockSize(unchecked: 16384)

    /// 64, what 4-bit weights use unless told otherwise.
    public static let fourBitDefault = b64
    /// 4096, what ``BitsCore/Tensor/quantizedBlockwise(codebook:blockSize:doubleQuantization:)`` uses unless told otherwise.
    public static let blockwiseDefault = b4096
    /// 256, what optimizer statistics and the scales of doubly quantized 4-bit weights use.
    public static let statistics = b256

    /// - Throws: ``QuantizationError/unsupportedBlockSize(_:supported:)``.
    public init(_ count: Int) throws(QuantizationError) {
        guard BlockSize.supported.contains(count) else { throw .unsupportedBlockSize(count, supported: BlockSize.supported) }
        self.count = count
    }

    /// - Throws: ``QuantizationError/unsupportedBlockSize(_:supported:)`` where 4-bit codes do not come in blocks of this size.
    func checkedForFourBit() throws(QuantizationError) {
        guard BlockSize.fourBitSupported.contains(count) else { throw .unsupportedBlockSize(count, supported: BlockSize.fourBitSupported) }
    }

    private init(unchecked count: Int) { self.count = count }
}

extension BlockSize: CustomStringConvertible {
    public var description: String { String(count) }
}
