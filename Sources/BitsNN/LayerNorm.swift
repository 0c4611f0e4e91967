public import BitsCore

/// `(x - mean) / sqrt(variance + epsilon) * weight + bias` over the last axis (Ba et al. 2016, arXiv:1607.06450).
public final class LayerNorm: Module {
    /// [D]
    @Weight("weight") public var weight: Parameter
    /// [D]
    @Weight("bias") public var bias: Parameter?
    public let epsilon: Float

    public init(weight: Parameter, bias: Parameter? = nil, epsilon: Float = 1e-5) {
        precondition(weight.shape.count == 1 && (bias == nil || bias!.shape == weight.shape), "a layer norm of shape \(weight.shape)")
        self.epsilon = epsilon
        super.init()
        self.weight = weight
        self.bias = bias
    }

    /// The norm before training: weight 1, bias 0.
    public convenience init(width: Int, epsilon: Float = 1e-5, dtype: DType = .float32, device: Device = .cpu) {
        self.init(
            weight: Parameter(.ones([width], dtype: dtype, device: device)), bias: Parameter(.zeros([width], dtype: dtype, device: device)),
            epsilon: epsilon)
    }

    /// A norm without weights yet, for a model that is loaded: see ``Module/load(from:options:progress:)``.
    public static func placeholder(width: Int, epsilon: Float = 1e-5) -> LayerNorm {
        LayerNorm(weight: .placeholder([width]), bias: .placeholder([width]), epsilon: epsilon)
    }

    /// A norm of its own that computes the same.
    public func copied() -> LayerNorm { LayerNorm(weight: weight.copied(), bias: bias?.copied(), epsilon: epsilon) }

    public func callAsFunction(_ x: Tensor) -> Tensor { x.layerNorm(weight: weight.tensor, bias: bias?.tensor, epsilon: epsilon) }
}
