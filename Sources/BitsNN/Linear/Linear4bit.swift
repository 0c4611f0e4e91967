public import BitsCore
public import BitsQuant

/// A linear layer with its weight in 4 bits: `x · dequantize(W)ᵀ + b`, computed from the codes without a copy of the weight in a wider type.
///
/// The weight is frozen; gradients flow to the input and the bias. The layer remembers nothing of what it computed: evaluation and training, in any
/// order, give the same results. Dettmers et al. 2023, "QLoRA", arXiv:2305.14314. Reference: `Linear4bit`.
public final class Linear4bit: Module, LinearLayer, UpdatedLinearLayer {
    /// [N, K]
    @Quantized("weight") public private(set) var weight: FourBitTensor
    /// [N]
    @Weight("bias") public var bias: Parameter?
    /// What products round their operands to; nil follows the type of each input. Sums are float32, the output has the input's type.
    ///
    /// | `computeDType` | input | operands |
    /// |---|---|---|
    /// | nil | any | the input's type |
    /// | `.float32` | any | not rounded |
    /// | `.bfloat16`, `.float16` | any | that type |
    ///
    /// The original's `compute_dtype=None` takes the type of the first input for good; here the type of each input counts, so that what came before
    /// changes nothing. Nor is the bias converted.
    public var computeDType: DType?

    /// The layer of a weight that is quantized already.
    public init(weight: FourBitTensor, bias: Parameter? = nil, computeDType: DType? = nil) {
        LinearParts.check(weight: weight.shape, bias: bias)
        self.computeDType = computeDType
        super.init()
        self.weight = weight
        self.bias = bias
    }

    /// The 4-bit counterpart of `linear`; its bias is shared.
    ///
    /// - Parameters:
    ///   - doubleQuantization: scales in 8 bits, as the original's `compress_statistics`.
    ///   - storage: what the packed codes are seen as; `quant_storage`.
    /// - Throws: ``BitsQuant/QuantizationError/storageDoesNotFit(byteCount:storage:)``.
    public convenience init(
        _ linear: Linear, format: FourBitFormat = .nf4, blockSize: BlockSize = .fourBitDefault, doubleQuantization: Bool = true,
        storage: DType = .uint8, computeDType: DType? = nil
    ) throws(QuantizationError) {
        let weight = try linear.weight.value.quantized(to: format, blockSize: blockSize, doubleQuantization: doubleQuantization, storage: storage)
        self.init(weight: weight, bias: linear.bias, computeDType: computeDType ?? linear.computeDType)
    }

    /// The layer that `entry` gives the parts of: `weight`, `weight.absmax` and what else ``Module/entries(_:)`` names, and `bias` if there is one. Frozen.
    ///
    /// - Throws: ``LayerError``, ``BitsQuant/QuantizationError`` when parts are missing or do not belong together, or what `entry` throws. Reference:
    ///   `Params4bit.from_prequantized`.
    public convenience init(computeDType: DType? = nil, entries entry: (_ name: String) throws -> Tensor?) throws {
        let weight = try FourBitTensor(named: "weight", entry)
        self.init(weight: weight, bias: try LinearParts.bias(of: weight.shape, entry), computeDType: computeDType)
    }

    public var inFeatures: Int { weight.shape[1] }
    public var outFeatures: Int { weight.shape[0] }

    /// A layer of its own that computes the same.
    public func copied() -> Linear4bit { Linear4bit(weight: weight, bias: bias?.copied(), computeDType: computeDType) }

    public func callAsFunction(_ x: Tensor) -> Tensor { x.linear(weight, bias: bias?.tensor, computeDType: computeDType) }

    package func callAsFunction(_ x: Tensor, addingLowRank down: Tensor, _ up: Tensor, scale: Float, computeDType product: DType) -> Tensor {
        guard product == computeDType ?? x.dtype else {
            return self(x).addingLowRank(of: x, down: down, up: up, scale: scale, computeDType: product)
        }
        return x.linear(weight, bias: bias?.tensor, addingLowRank: down, up, scale: scale, computeDType: product)
    }

    public func weightMatrix(_ dtype: DType?) -> Tensor { weight.dequantized(to: dtype) }
}

extension Linear4bit {
    /// The NF4 counterpart of `linear`: codes spaced for normally distributed weights. Reference: `LinearNF4`.
    ///
    /// - Throws: ``BitsQuant/QuantizationError/storageDoesNotFit(byteCount:storage:)``.
    public static func nf4(
        _ linear: Linear, doubleQuantization: Bool = true, storage: DType = .uint8, computeDType: DType? = nil
    ) throws(QuantizationError) -> Linear4bit {
        try Linear4bit(linear, format: .nf4, doubleQuantization: doubleQuantization, storage: storage, computeDType: computeDType)
    }

    /// The FP4 counterpart of `linear`: a sign, two bits of exponent and one of mantissa. Reference: `LinearFP4`.
    ///
    /// - Throws: ``BitsQuant/QuantizationError/storageDoesNotFit(byteCount:storage:)``.
    public static func fp4(
        _ linear: Linear, doubleQuantization: Bool = true, storage: DType = .uint8, computeDType: DType? = nil
    ) throws(QuantizationError) -> Linear4bit {
        try Linear4bit(linear, format: .fp4, doubleQuantization: doubleQuantization, storage: storage, computeDType: computeDType)
    }
}
