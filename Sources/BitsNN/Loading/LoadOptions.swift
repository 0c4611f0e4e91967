public import BitsCore
public import BitsQuant

/// How a model is loaded.
public struct LoadOptions: Sendable {
    /// What layers become as they are read. A layer that is quantized already stays as it is.
    public var quantization: ModelQuantization
    /// Of all weights that are not quantized, and what layers are quantized from; nil for the type they are kept in.
    public var dtype: DType?
    /// Modules whose parameters stay, or become, float32; see ``ModulePattern``.
    public var keepingFloat32: [String] = []
    /// What the products of linear layers round their operands to: `.float32` for none, or `.bfloat16`. Sums and activations are float32.
    ///
    /// nil leaves it to the quantization: 4-bit layers compute as it says, that of a quantized checkpoint before that of ``quantization``; nothing is
    /// rounded elsewhere.
    public var computeDType: DType?
    public var device = Device.cpu

    public init(_ quantization: ModelQuantization, dtype: DType? = nil, computeDType: DType? = nil) {
        (self.quantization, self.dtype, self.computeDType) = (quantization, dtype, computeDType)
    }

    /// - Parameters: as in ``ModelQuantization``.
    public init(
        quantization: Quantization? = nil, embeddings: Quantization? = nil, head: Quantization? = nil, skipping: [String]? = nil,
        computeDType: DType? = nil
    ) {
        self.init(ModelQuantization(quantization, embeddings: embeddings, head: head, skipping: skipping), computeDType: computeDType)
    }
}
