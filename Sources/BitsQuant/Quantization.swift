public import BitsCore

/// What a weight is quantized to, and what the layer that holds it computes: the one way to say it, in a call, on a command line and in config.json.
public enum Quantization: Sendable, Equatable {
    /// Codes of 4 bits with a scale for each block.
    ///
    /// - `blockSize`: weights per scale, 64 unless told otherwise.
    /// - `doubleQuantization`: scales in 8 bits; on unless told otherwise.
    /// - `storage`: what the packed codes are seen as.
    /// - `computeDType`: what products round their operands to; nil follows the type of each input.
    case fourBit(
        FourBitFormat, blockSize: BlockSize = .fourBitDefault, doubleQuantization: Bool = true, storage: DType = .uint8, computeDType: DType? = nil)
    /// LLM.int8(): codes of 8 bits with a scale for each row.
    ///
    /// - `outlierThreshold`: activations of at least this magnitude are multiplied in floating point; 0 for none.
    /// - `keepsFloat16Weights`: the weight itself stays, to be trained.
    case int8(outlierThreshold: Float = 6, keepsFloat16Weights: Bool = false)

    /// Of the codes: `nf4`, `fp4` or `int8`.
    public var formatName: String {
        switch self {
        case .fourBit(let format, _, _, _, _): format.rawValue
        case .int8: "int8"
        }
    }

    /// What products of a 4-bit weight round their operands to; nil where that follows the input, as it always does in 8 bits.
    public var computeDType: DType? {
        get { if case .fourBit(_, _, _, _, let computeDType) = self { computeDType } else { nil } }
        set {
            if case .fourBit(let format, let blockSize, let doubleQuantization, let storage, _) = self {
                self = .fourBit(
                    format, blockSize: blockSize, doubleQuantization: doubleQuantization, storage: storage, computeDType: newValue)
            }
        }
    }
}

extension Tensor {
    /// Quantizes a layer's weight, as ``quantized(to:blockSize:doubleQuantization:storage:)`` and ``BitsQuant/Int8Tensor/init(weight:)`` do.
    ///
    /// - Throws: ``BitsQuant/QuantizationError/storageDoesNotFit(byteCount:storage:)``.
    public func quantized(as quantization: Quantization) throws(QuantizationError) -> any QuantizedTensor {
        switch quantization {
        case .fourBit(let format, let blockSize, let doubleQuantization, let storage, _):
            try quantized(to: format, blockSize: blockSize, doubleQuantization: doubleQuantization, storage: storage)
        case .int8: Int8Tensor(weight: self)
        }
    }
}
