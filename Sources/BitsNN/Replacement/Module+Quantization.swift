import BitsCore
public import BitsQuant

extension Module {
    /// What this layer is quantized to, and computes, a tied head what its table is; nil for one in floating point, and for what is no layer.
    public var quantization: Quantization? {
        switch self {
        case let layer as Linear4bit: Quantization(layer.weight, computeDType: layer.computeDType)
        case let layer as Embedding4bit: Quantization(layer.weight)
        case let layer as Linear8bitLt: .int8(outlierThreshold: layer.outlierThreshold, keepsFloat16Weights: layer.keepsFloat16Weights)
        case let layer as Embedding8bit: .int8(outlierThreshold: layer.outlierThreshold)
        case let head as TiedLinear: head.embedding.quantization
        default: nil
        }
    }
}

extension Quantization {
    fileprivate init(_ weight: FourBitTensor, computeDType: DType? = nil) {
        self = .fourBit(
            weight.format, blockSize: weight.state.blockSize, doubleQuantization: weight.state.isDoublyQuantized, storage: weight.packed.dtype,
            computeDType: computeDType)
    }
}
