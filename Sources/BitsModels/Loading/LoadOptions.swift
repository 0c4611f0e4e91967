public import BitsCore
public import BitsIO
public import BitsQuant

/// How a model is loaded.
public struct LoadOptions: Sendable {
    /// How to quantize linear layers as they are read; nil keeps them. A checkpoint that is quantized already stays as it is.
    public var quantization: BitsAndBytesConfig?
    /// Elements per 4-bit block.
    public var blockSize = BlockSize.fourBitDefault
    /// What the products of linear layers round their operands to: `.float32` for none, or `.bfloat16`. Sums and activations are float32.
    ///
    /// nil leaves it to the quantization: 4-bit layers compute as its ``BitsIO/BitsAndBytesConfig/computeType`` says, that of the checkpoint before that
    /// of ``quantization``; nothing is rounded elsewhere.
    public var computeDType: DType?
    public var device = Device.cpu

    public init(quantization: BitsAndBytesConfig? = nil, computeDType: DType? = nil) {
        self.quantization = quantization
        self.computeDType = computeDType
    }
}
