public import BitsCore
public import BitsQuant

/// What a quantization makes of a layer.
public enum LayerQuantization: Sendable, Equatable {
    /// ``Linear4bit``, ``Embedding4bit``; the parameters are those of their initializers.
    case fourBit(
        FourBitFormat, blockSize: BlockSize = .fourBitDefault, doubleQuantization: Bool = true, storage: DType = .uint8, computeDType: DType? = nil)
    /// ``Linear8bitLt``, ``Embedding8bit``; the parameters are those of their initializers.
    case int8(outlierThreshold: Float = 6, keepsFloat16Weights: Bool = false)

    /// `nf4`, `fp4` or `int8`.
    public var name: String {
        switch self {
        case .fourBit(let format, _, _, _, _): format.rawValue
        case .int8: "int8"
        }
    }

    /// The counterpart of `linear`; its bias is shared.
    ///
    /// - Throws: ``QuantizationError`` for codes that do not fit their storage type, or a threshold that is negative or not a number.
    public func layer(_ linear: Linear) throws(QuantizationError) -> LinearLayer {
        switch self {
        case .fourBit(let format, let blockSize, let doubleQuantization, let storage, let computeDType):
            return try Linear4bit(
                linear, format: format, blockSize: blockSize, doubleQuantization: doubleQuantization, storage: storage, computeDType: computeDType)
        case .int8(let threshold, let keepsFloat16Weights):
            guard threshold >= 0 else { throw .invalidOutlierThreshold(threshold) }
            return Linear8bitLt(linear, keepsFloat16Weights: keepsFloat16Weights, outlierThreshold: threshold)
        }
    }

    /// The counterpart of `embedding`.
    ///
    /// - Throws: ``QuantizationError/storageDoesNotFit(byteCount:storage:)``.
    public func layer(_ embedding: Embedding) throws(QuantizationError) -> EmbeddingLayer {
        switch self {
        case .fourBit(let format, let blockSize, let doubleQuantization, let storage, _):
            return try Embedding4bit(embedding, format: format, blockSize: blockSize, doubleQuantization: doubleQuantization, storage: storage)
        case .int8: return Embedding8bit(embedding)
        }
    }
}
