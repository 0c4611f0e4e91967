public import BitsCore
package import BitsKernels

/// All that is needed to turn codes back into numbers.
///
/// Codes are in blocks of ``blockSize`` consecutive elements in row-major order, over the ends of rows; the last block may be partial.
/// Reference: `QuantState`.
public struct QuantState: Sendable {
    /// One scale per block.
    public let scales: BlockScales
    /// What the codes stand for: float32 [256], or [16] for 4-bit codes.
    public let codebook: Tensor
    public let blockSize: BlockSize
    /// The shape of the tensor that was quantized.
    public let shape: [Int]
    /// The type of the tensor that was quantized, and of what comes back.
    public let dtype: DType
    /// nil for 8-bit codes.
    public let format: FourBitFormat?

    package init(scales: BlockScales, codebook: Tensor, blockSize: BlockSize, shape: [Int], dtype: DType, format: FourBitFormat?) {
        self.scales = scales
        self.codebook = codebook
        self.blockSize = blockSize
        self.shape = shape
        self.dtype = dtype
        self.format = format
    }

    /// The number of elements.
    public var count: Int { Shape.count(shape) }

    /// Whether the scales are quantized too.
    public var isDoublyQuantized: Bool {
        if case .doublyQuantized = scales { true } else { false }
    }

    /// The same on `device`.
    ///
    /// - Throws: the first error of the work that leads here.
    public func moved(to device: Device) throws(DeviceError) -> QuantState {
        QuantState(
            scales: try scales.moved(to: device), codebook: try codebook.moved(to: device), blockSize: blockSize, shape: shape, dtype: dtype,
            format: format)
    }
}
