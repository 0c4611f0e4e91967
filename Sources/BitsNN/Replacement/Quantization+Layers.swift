public import BitsQuant

extension Quantization {
    /// The counterpart of `linear`; its bias is shared.
    ///
    /// - Throws: ``QuantizationError`` for codes that do not fit their storage type, or a threshold that is negative or not a number.
    public func layer(_ linear: Linear) throws(QuantizationError) -> any LinearLayer {
        switch self {
        case .fourBit(let format, let blockSize, let doubleQuantization, let storage, let computeDType):
            return try Linear4bit(
                linear, format: format, blockSize: blockSize, doubleQuantization: doubleQuantization, storage: storage, computeDType: computeDType)
        case .int8(let threshold, let keepsFloat16Weights):
            return Linear8bitLt(linear, keepsFloat16Weights: keepsFloat16Weights, outlierThreshold: try Quantization.checked(threshold))
        }
    }

    /// The counterpart of `embedding`.
    ///
    /// - Throws: as ``layer(_:)-(Linear)``.
    public func layer(_ embedding: Embedding) throws(QuantizationError) -> any EmbeddingLayer {
        switch self {
        case .fourBit(let format, let blockSize, let doubleQuantization, let storage, _):
            return try Embedding4bit(embedding, format: format, blockSize: blockSize, doubleQuantization: doubleQuantization, storage: storage)
        case .int8(let threshold, _): return Embedding8bit(embedding, outlierThreshold: try Quantization.checked(threshold))
        }
    }

    private static func checked(_ threshold: Float) throws(QuantizationError) -> Float {
        guard threshold >= 0 else { throw .invalidOutlierThreshold(threshold) }
        return threshold
    }
}
