public import BitsCore
public import BitsQuant

/// A linear layer with its weight in 4 bits: `x · dequantize(W)ᵀ + b`, computed from the codes without a copy of the weight in a wider type.
///
/// The weight is frozen; gradients flow to the input and the bias. Evaluation and training give the same results in any order.
/// Dettmers et al. 2023, "QLoRA", arXiv:2305.14314. Reference: `Linear4bit`, `LinearNF4`, `LinearFP4`.
public final class Linear4bit: LinearLayer {
    /// [N, K]
    public let weight: FourBitTensor
    /// [N]
    @Weight("bias") public var bias: Parameter?
    /// What products round their operands to: `.bfloat16`, or `.float32` for none; nil follows the input's type. Sums are float32.
    public var computeDType: DType?

    public init(weight: FourBitTensor, bias: Parameter? = nil, computeDType: DType? = nil) {
        precondition(weight.shape.count == 2, "a linear weight of shape \(weight.shape)")
        precondition(bias == nil || bias!.shape == [weight.shape[0]], "a bias of shape \(bias!.shape) for a weight of shape \(weight.shape)")
        self.weight = weight
        self.computeDType = computeDType
        super.init(inFeatures: weight.shape[1], outFeatures: weight.shape[0])
        self.bias = bias
    }

    /// The 4-bit counterpart of `linear`; its bias is shared.
    ///
    /// - Throws: ``QuantizationError/storageDoesNotFit(byteCount:storage:)``.
    public convenience init(
        _ linear: Linear, format: FourBitFormat = .nf4, blockSize: BlockSize = .fourBitDefault, doubleQuantization: Bool = true,
        storage: DType = .uint8
    ) throws(QuantizationError) {
        let weight = try linear.weight.value.quantized(to: format, blockSize: blockSize, doubleQuantization: doubleQuantization, storage: storage)
        self.init(weight: weight, bias: linear.bias, computeDType: linear.computeDType)
    }

    public override func callAsFunction(_ x: Tensor) -> Tensor { x.linear(weight, bias: bias?.tensor, computeDType: computeDType) }

    public override func weightMatrix(_ dtype: DType? = nil) -> Tensor { weight.dequantized(to: dtype) }
}
