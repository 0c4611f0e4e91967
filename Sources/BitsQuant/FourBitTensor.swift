public import BitsCore
package import BitsKernels

/// A tensor in 4 bits per element and one scale per block: the weight of a QLoRA layer.
public struct FourBitTensor: Sendable {
    /// The codes, two to a byte, the first in the upper half: uint8 [bytes, 1], or the same bytes seen as another type [elements, 1].
    public let packed: Tensor
    public let state: QuantState
    /// The entries that described it where it was read from; nil for a tensor that was quantized here.
    let description: [(suffix: String, tensor: Tensor)]?
    private let nonFiniteCount: Slice?

    package init(
        packed: Tensor, state: QuantState, description: [(suffix: String, tensor: Tensor)]? = nil, nonFiniteCount: Slice? = nil
    ) {
        self.packed = packed
        self.state = state
        self.description = description
        self.nonFiniteCount = nonFiniteCount
    }

    /// Codes and scales from elsewhere.
    ///
    /// - Parameters:
    ///   - packed: (elements + 1) / 2 bytes of codes, the first of a pair in the upper half; uint8, or the same bytes seen as another type.
    ///   - absmax: float32, one per block; magnitudes, which is not checked.
    ///   - shape: of the tensor that was quantized.
    ///   - dtype: of what ``dequantized(to:)`` gives back.
    /// - Throws: ``QuantizationError/inconsistentState(_:expected:found:)`` when the number of codes or of scales is another.
    /// - Note: Reference: `dequantize_4bit` with `absmax=`.
    public init(
        packed: Tensor, absmax: Tensor, format: FourBitFormat, blockSize: BlockSize = .fourBitDefault, shape: [Int], dtype: DType = .float32
    ) throws(QuantizationError) {
        precondition(absmax.dtype == .float32 && dtype.isFloatingPoint, "scales are float32, not \(absmax), for numbers in \(dtype.rawValue)")
        let count = Shape.count(shape)
        let blocks = blockCount(count, blockSize: blockSize.count)
        guard absmax.count == blocks else {
            throw .inconsistentState("absmax", expected: "\(blocks) scales", found: "\(absmax.count)")
        }
        let values = Tensor(packed.device.constant(format.values), shape: [16])
        self.init(
            packed: try FourBitTensor.checkedCodes(packed, count: count),
            state: QuantState(
                scales: .plain(absmax.reshaped(blocks)), codebook: values, blockSize: blockSize, shape: shape, dtype: dtype, format: format))
    }

    /// Quantizes `input`; see ``BitsCore/Tensor/quantized(to:blockSize:doubleQuantization:storage:)``.
    init(_ input: Tensor, format: FourBitFormat, blockSize: BlockSize, doubleQuantization: Bool, storage: DType) throws(QuantizationError) {
        precondition(input.dtype.isFloatingPoint, "quantization of a \(input.dtype.rawValue) tensor of shape \(input.shape)")
        try blockSize.checkedForFourBit()
        let byteCount = (input.count + 1) / 2
        let shape = try FourBitTensor.packedShape(byteCount: byteCount, storage: storage)
        let device = input.device
        let packed = device.allocate(.uint8, count: byteCount)
        let (absmax, nonFiniteCount) = counted(as: .statistics) {
            (
                device.allocate(.float32, count: blockCount(input.count, blockSize: blockSize.count)),
                device.allocate(.int64, count: 1)
            )
        }
        device.run(
            QuantizeFourBit(
                input.elements, format: format, blockSize: blockSize.count, packed: packed, absmax: absmax, nonFiniteCount: nonFiniteCount))
        let state = counted(as: .statistics) {
            QuantState(
                scales: doubleQuantization
                    ? .doublyQuantized(DoublyQuantizedScales(absmax, blockSize: .statistics)) : .plain(Tensor(absmax, shape: [absmax.count])),
                codebook: Tensor(device.constant(format.values), shape: [16]), blockSize: blockSize, shape: input.shape,
                dtype: input.dtype, format: format)
        }
        self.init(
            packed: Tensor(Slice(buffer: packed.buffer, dtype: storage, count: shape[0]), shape: shape), state: state,
            nonFiniteCount: nonFiniteCount)
    }

    /// The shape of `byteCount` bytes of codes in elements of `storage`.
    static func packedShape(byteCount: Int, storage: DType) throws(QuantizationError) -> [Int] {
        guard byteCount % storage.byteCount == 0 else { throw .storageDoesNotFit(byteCount: byteCount, storage: storage) }
        return [byteCount / storage.byteCount, 1]
    }

    public var format: FourBitFormat { state.format ?? .nf4 }
    /// The shape of the tensor that was quantized.
    public var shape: [Int] { state.shape }
    public var device: Device { packed.device }

    /// Bytes of codes, scales and codebooks in memory.
    public var byteCount: Int { packed.slice.byteCount + state.scales.byteCount + state.codebook.slice.byteCount }

    /// The numbers that the codes stand for: `value[code] * scale`, rounded once to `dtype` (default: the type that was quantized).
    ///
    /// Reference: `dequantize_4bit`.
    public func dequantized(to dtype: DType? = nil) -> Tensor {
        let result = packed.empty(state.shape, dtype ?? state.dtype)
        device.run(DequantizeFourBit(matrix, into: result.slice))
        return result
    }

    /// Rows `indices` of a matrix [V, D]: [..] int32 or int64 to [.., D], as `dtype` (default: the type that was quantized). Only these are
    /// dequantized. An index outside the matrix gives zeros.
    public func rows(_ indices: Tensor, dtype: DType? = nil) -> Tensor {
        precondition(state.shape.count == 2 && !indices.dtype.isFloatingPoint, "rows \(indices) of a 4-bit tensor of shape \(state.shape)")
        let result = packed.empty(indices.shape + [state.shape[1]], dtype ?? state.dtype)
        device.run(GatherFourBit(matrix, rows: indices.elements, into: result.slice))
        return result
    }

    /// How many of the elements that were quantized here were NaN or infinite; 0 for a tensor read from a file.
    ///
    /// - Throws: the first error of the work that leads here.
    public func nonFiniteInputCount() throws(DeviceError) -> Int { try nonFiniteCount?.downloadIntegers()[0] ?? 0 }

    /// The same on `device`.
    ///
    /// - Throws: the first error of the work that leads here.
    public func moved(to device: Device) throws(DeviceError) -> FourBitTensor {
        if device == self.device { return self }
        var entries: [(suffix: String, tensor: Tensor)] = []
        for (suffix, tensor) in description ?? [] { entries.append((suffix: suffix, tensor: try tensor.moved(to: device))) }
        return FourBitTensor(
            packed: try packed.moved(to: device), state: try state.moved(to: device), description: description == nil ? nil : entries)
    }

    /// The operand of the kernels: rows of the first dimension.
    package var matrix: FourBitMatrix {
        let bytes = packed.elements
        let scales: FourBitMatrix.Scales =
            switch state.scales {
            case .plain(let absmax): .plain(absmax.elements)
            case .doublyQuantized(let nested):
                .nested(
                    codes: nested.codes.elements, code: nested.codebook.elements, absmax: nested.absmax.elements, offset: nested.offset.elements,
                    blockSize: nested.blockSize.count)
            }
        let rows = state.shape.count < 2 ? 1 : state.shape[0]
        return FourBitMatrix(
            packed: Slice(buffer: bytes.buffer, dtype: .uint8, offset: bytes.byteOffset, count: bytes.byteCount), rows: rows,
            columns: rows == 0 ? 0 : state.count / rows, blockSize: state.blockSize.count, code: state.codebook.elements, scales: scales)
    }
}

extension Tensor {
    /// Quantizes to 4 bits in blocks, each scaled by its largest magnitude.
    ///
    /// `code[i] = nearest(format.values, self[i] / absmax[i / blockSize])`, two codes to a byte.
    ///
    /// - Parameters:
    ///   - format: ``BitsKernels/FourBitFormat/nf4`` or ``BitsKernels/FourBitFormat/fp4``.
    ///   - blockSize: elements per block, at most 4096; 64 unless given. Blocks run over the ends of rows.
    ///   - doubleQuantization: quantizes the scales to 8 bits, in blocks of 256.
    ///   - storage: the type that the packed bytes are seen as; sharding tools want the type of the other weights.
    /// - Returns: (count + 1) / 2 bytes and ceil(count / blockSize) scales. NaN becomes code 0 and does not count for the scale
    ///   (``BitsQuant/FourBitTensor/nonFiniteInputCount()`` tells); a block of zeros has scale 0 and the code of zero.
    /// - Throws: ``BitsQuant/QuantizationError/storageDoesNotFit(byteCount:storage:)``, ``BitsQuant/QuantizationError/unsupportedBlockSize(_:supported:)``.
    /// - Note: the same bits on every device. Dettmers et al. 2023, "QLoRA", arXiv:2305.14314. Reference: `quantize_4bit`.
    public func quantized(
        to format: FourBitFormat, blockSize: BlockSize = .fourBitDefault, doubleQuantization: Bool = false, storage: DType = .uint8
    ) throws(QuantizationError) -> FourBitTensor {
        try FourBitTensor(self, format: format, blockSize: blockSize, doubleQuantization: doubleQuantization, storage: storage)
    }
}
