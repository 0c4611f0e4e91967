public import BitsCore
package import BitsKernels

/// A tensor in 8 bits per element and one scale per block.
public struct BlockwiseTensor: Sendable {
    /// uint8, in the shape of the tensor that was quantized.
    public let codes: Tensor
    public let state: QuantState
    private let nonFiniteCount: Slice?

    package init(codes: Tensor, state: QuantState, nonFiniteCount: Slice? = nil) {
        self.codes = codes
        self.state = state
        self.nonFiniteCount = nonFiniteCount
    }

    /// Codes and scales from elsewhere.
    ///
    /// - Parameters:
    ///   - codes: uint8, any shape.
    ///   - absmax: float32, one per block.
    ///   - dtype: of what ``dequantized(to:)`` gives back.
    /// - Throws: ``QuantizationError/inconsistentState(_:expected:found:)`` when the number of scales is another.
    public init(
        codes: Tensor, absmax: Tensor, codebook: Codebook = .dynamic, blockSize: BlockSize = .blockwiseDefault, dtype: DType = .float32
    ) throws(QuantizationError) {
        precondition(codes.dtype == .uint8 && absmax.dtype == .float32, "codes are uint8 and scales float32, not \(codes) and \(absmax)")
        let blocks = blockCount(codes.count, blockSize: blockSize.count)
        guard absmax.count == blocks else {
            throw .inconsistentState("absmax", expected: "\(blocks) scales", found: "\(absmax.count)")
        }
        let values = Tensor(codebook.slice(on: codes.device), shape: [256])
        let state = QuantState(scales: .plain(absmax), codebook: values, blockSize: blockSize, shape: codes.shape, dtype: dtype, format: nil)
        self.init(codes: codes, state: state)
    }

    /// The numbers that the codes stand for: `codebook[code] * absmax`, rounded once to `dtype` (default: the type that was quantized).
    ///
    /// Reference: `dequantize_blockwise`.
    public func dequantized(to dtype: DType? = nil) -> Tensor {
        let result = codes.empty(state.shape, dtype ?? state.dtype)
        codes.device.run(
            DequantizeBlockwise(
                codes.elements, codebook: state.codebook.elements, absmax: state.scales.floats().elements, blockSize: state.blockSize.count,
                into: result.slice))
        return result
    }

    /// How many of the elements that were quantized here were NaN or infinite.
    ///
    /// - Throws: the first error of the work that leads here.
    public func nonFiniteInputCount() throws(DeviceError) -> Int { try nonFiniteCount?.downloadIntegers()[0] ?? 0 }
}

extension Tensor {
    /// Quantizes to 8 bits in blocks, each scaled by its largest magnitude.
    ///
    /// `code[i] = nearest(codebook, self[i] / absmax[i / blockSize])`
    ///
    /// - Parameters:
    ///   - blockSize: elements per block, 4096 unless given.
    ///   - doubleQuantization: quantizes the scales too, with the same block size and the signed dynamic codebook.
    /// - Returns: one code per element and ceil(count / blockSize) scales. NaN becomes code 0 and does not count for the scale; a block with an
    ///   infinity has an infinite scale; a block of zeros has scale 0, so that zeros come back (as negative ones, from a signed codebook).
    /// - Note: the same bits on every device. The error of an element is at most half the widest gap of the codebook times its block's scale, up to
    ///   float32 rounding. Dettmers et al. 2022, "8-bit Optimizers via Block-wise Quantization", arXiv:2110.02861. Reference: `quantize_blockwise`.
    public func quantizedBlockwise(
        codebook: Codebook = .dynamic, blockSize: BlockSize = .blockwiseDefault, doubleQuantization: Bool = false
    ) -> BlockwiseTensor {
        precondition(dtype.isFloatingPoint, "quantization of a \(dtype.rawValue) tensor of shape \(shape)")
        let (sorted, order) = codebook.sorted
        let codes = empty(shape, .uint8)
        let absmax = device.allocate(.float32, count: blockCount(count, blockSize: blockSize.count))
        let nonFiniteCount = device.allocate(.int64, count: 1)
        device.run(
            QuantizeBlockwise(
                elements, codebook: device.upload(sorted, as: .float32), order: order.map { device.upload($0, as: .uint8) },
                blockSize: blockSize.count, codes: codes.slice, absmax: absmax, nonFiniteCount: nonFiniteCount))
        let state = QuantState(
            scales: doubleQuantization
                ? .doublyQuantized(DoublyQuantizedScales(absmax, blockSize: blockSize)) : .plain(Tensor(absmax, shape: [absmax.count])),
            codebook: Tensor(codebook.slice(on: device), shape: [256]), blockSize: blockSize, shape: shape, dtype: dtype, format: nil)
        return BlockwiseTensor(codes: codes, state: state, nonFiniteCount: nonFiniteCount)
    }
}
