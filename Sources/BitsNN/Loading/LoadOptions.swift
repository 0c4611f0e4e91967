public import BitsCore
public import BitsQuant

/// How a model is loaded.
public struct LoadOptions: Sendable {
    /// What layers become as they are read. A layer that is quantized already stays as it is.
    public var quantization: ModelQuantization
    /// Of all weights that are not quantized, and what layers are quantized from; nil for the type they are kept in.
    public var dtype: DType?
    /// Modules whose parameters stay, or become, float32; see ``ModulePattern``.
    public var keepingFloat32: [String]
    /// What products round their operands to, see ``ComputePolicy/products``.
    ///
    /// nil leaves it to the quantization, that of a quantized checkpoint before that of ``quantization``, and what that does not say to the checkpoint:
    /// bfloat16 where config.json says that its weights are, float32 for others.
    public var computeDType: DType?
    /// What flows from layer to layer, see ``ComputePolicy/activations``.
    public var activations: DType
    /// What keys and values are kept in, see ``ComputePolicy/cache``; nil for the type of ``activations``.
    public var cache: DType?
    /// From which magnitude on int8 layers compute activations in 16 bits that the source holds where ``quantization`` has another form: 6 unless config.json says
    /// otherwise.
    package var outlierThreshold: Float = 6
    public var device: Device

    public init(
        _ quantization: ModelQuantization, dtype: DType? = nil, keepingFloat32: [String] = [], computeDType: DType? = nil,
        activations: DType = .float32, cache: DType? = nil, device: Device = .cpu
    ) {
        (self.quantization, self.dtype, self.keepingFloat32) = (quantization, dtype, keepingFloat32)
        (self.computeDType, self.activations, self.cache, self.device) = (computeDType, activations, cache, device)
    }

    /// The linear layers, embeddings and head as in ``ModelQuantization``, the usual of all else.
    public init(
        quantization: Quantization? = nil, embeddings: Quantization? = nil, head: Quantization? = nil, skipping: [String]? = nil,
        computeDType: DType? = nil, device: Device = .cpu
    ) {
        self.init(
            ModelQuantization(quantization, embeddings: embeddings, head: head, skipping: skipping), computeDType: computeDType, device: device)
    }
}
