public import BitsCore

/// A linear layer with its weight in floating point: `x · Wᵀ + b`.
public final class Linear: LinearLayer {
    /// [N, K]
    @Weight("weight") public var weight: Parameter
    /// [N]
    @Weight("bias") public var bias: Parameter?
    /// What products round their operands to: `.bfloat16`, or `.float32` for none; nil follows the input's type. Sums are float32.
    public var computeDType: DType?

    public init(weight: Parameter, bias: Parameter? = nil, computeDType: DType? = nil) {
        precondition(weight.shape.count == 2, "a linear weight of shape \(weight.shape)")
        precondition(bias == nil || bias!.shape == [weight.shape[0]], "a bias of shape \(bias!.shape) for a weight of shape \(weight.shape)")
        self.computeDType = computeDType
        super.init(inFeatures: weight.shape[1], outFeatures: weight.shape[0])
        self.weight = weight
        self.bias = bias
    }

    public override func callAsFunction(_ x: Tensor) -> Tensor { x.linear(weight.tensor, bias: bias?.tensor, computeDType: computeDType) }

    public override func weightMatrix(_ dtype: DType? = nil) -> Tensor { weight.tensor.cast(to: dtype ?? weight.dtype) }
}
