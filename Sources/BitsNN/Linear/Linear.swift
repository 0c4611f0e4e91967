public import BitsCore

/// A linear layer with its weight in floating point: `x · Wᵀ + b`.
public final class Linear: Module, LinearLayer {
    /// [N, K]
    @Weight("weight") public var weight: Parameter
    /// [N]
    @Weight("bias") public var bias: Parameter?
    /// What products round their operands to: `.bfloat16`, `.float16`, or `.float32` for none; nil follows the input's type. Sums are float32.
    public var computeDType: DType?

    public init(weight: Parameter, bias: Parameter? = nil, computeDType: DType? = nil) {
        LinearParts.check(weight: weight.shape, bias: bias)
        self.computeDType = computeDType
        super.init()
        self.weight = weight
        self.bias = bias
    }

    /// A layer without a weight yet, for a model that is loaded: see ``Module/load(from:options:progress:)``.
    public convenience init(inFeatures: Int, outFeatures: Int, bias: Bool = true) {
        self.init(weight: .placeholder([outFeatures, inFeatures]), bias: bias ? .placeholder([outFeatures]) : nil)
    }

    /// A layer to be trained, weight and bias uniform in ±1 / sqrt(K), as PyTorch's `Linear` begins.
    public convenience init(
        inFeatures: Int, outFeatures: Int, bias: Bool = true, using generator: inout RandomGenerator, dtype: DType = .float32, device: Device = .cpu
    ) {
        let bound = 1 / Float(max(1, inFeatures)).squareRoot()
        let weight = Tensor.uniform([outFeatures, inFeatures], in: -bound...bound, using: &generator, dtype: dtype, device: device)
        let shift = bias ? Tensor.uniform([outFeatures], in: -bound...bound, using: &generator, dtype: dtype, device: device) : nil
        self.init(weight: Parameter(weight), bias: shift.map { Parameter($0) })
    }

    public var inFeatures: Int { weight.shape[1] }
    public var outFeatures: Int { weight.shape[0] }

    /// A layer of its own that computes the same.
    public func copied() -> Linear { Linear(weight: weight.copied(), bias: bias?.copied(), computeDType: computeDType) }

    public func callAsFunction(_ x: Tensor) -> Tensor { x.linear(weight.tensor, bias: bias?.tensor, computeDType: computeDType) }

    public func weightMatrix(_ dtype: DType?) -> Tensor { weight.tensor.cast(to: dtype ?? weight.dtype) }
}
