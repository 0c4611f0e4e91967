public import BitsCore
import BitsKernels

/// The scales of a tensor's blocks: the largest magnitude of each.
public enum BlockScales: Sendable {
    /// float32 [blocks].
    case plain(Tensor)
    /// Quantized themselves.
    case doublyQuantized(DoublyQuantizedScales)

    /// Bytes in memory.
    public var byteCount: Int {
        switch self {
        case .plain(let absmax): absmax.slice.byteCount
        case .doublyQuantized(let scales): scales.byteCount
        }
    }

    /// The scales in float32, [blocks].
    public func floats() -> Tensor {
        switch self {
        case .plain(let absmax): absmax
        case .doublyQuantized(let scales): scales.dequantized()
        }
    }

    func moved(to device: Device) throws(DeviceError) -> BlockScales {
        switch self {
        case .plain(let absmax): .plain(try absmax.moved(to: device))
        case .doublyQuantized(let scales): .doublyQuantized(try scales.moved(to: device))
        }
    }
}

/// Scales in 8 bits: their mean is taken off, then they are quantized in blocks of their own (double quantization).
///
/// `scale[b] = fl(fl(codebook[codes[b]] * absmax[b / blockSize]) + offset)`. Saves 0.37 bits per weight at block size 64.
/// Dettmers et al. 2023, "QLoRA", arXiv:2305.14314. Reference: `compress_statistics`, `nested`.
public struct DoublyQuantizedScales: Sendable {
    /// uint8 [blocks].
    public let codes: Tensor
    /// float32 [1]: the mean, taken in double precision and rounded once.
    public let offset: Tensor
    /// float32 [ceil(blocks / blockSize)].
    public let absmax: Tensor
    /// float32 [256].
    public let codebook: Tensor
    /// Scales per block of scales.
    public let blockSize: BlockSize

    package init(codes: Tensor, offset: Tensor, absmax: Tensor, codebook: Tensor, blockSize: BlockSize) {
        self.codes = codes
        self.offset = offset
        self.absmax = absmax
        self.codebook = codebook
        self.blockSize = blockSize
    }

    /// Quantizes `scales`, float32 [blocks].
    init(_ scales: Slice, blockSize: BlockSize) {
        let device = scales.device
        let codebook = Codebook.dynamic.slice(on: device)
        let offset = device.allocate(.float32, count: 1)
        let codes = device.allocate(.uint8, count: scales.count)
        let absmax = device.allocate(.float32, count: blockCount(scales.count, blockSize: blockSize.count))
        device.run(MeanInDouble(scales, into: offset))
        device.run(QuantizeBlockwise(scales, offset: offset, codebook: codebook, blockSize: blockSize.count, codes: codes, absmax: absmax))
        self.init(
            codes: Tensor(codes, shape: [codes.count]), offset: Tensor(offset, shape: [1]), absmax: Tensor(absmax, shape: [absmax.count]),
            codebook: Tensor(codebook, shape: [256]), blockSize: blockSize)
    }

    var byteCount: Int { [codes, offset, absmax, codebook].reduce(0) { $0 + $1.slice.byteCount } }

    /// The scales in float32, [blocks].
    public func dequantized() -> Tensor {
        let result = codes.empty(codes.shape, .float32)
        codes.device.run(
            DequantizeBlockwise(
                codes.elements, codebook: codebook.elements, absmax: absmax.elements, blockSize: blockSize.count, offset: offset.elements,
                into: result.slice))
        return result
    }

    func moved(to device: Device) throws(DeviceError) -> DoublyQuantizedScales {
        DoublyQuantizedScales(
            codes: try codes.moved(to: device), offset: try offset.moved(to: device), absmax: try absmax.moved(to: device),
            codebook: try codebook.moved(to: device), blockSize: blockSize)
    }
}
