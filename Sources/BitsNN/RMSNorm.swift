public import BitsCore

/// `x / sqrt(mean(x^2) + epsilon) * (weight + offset)` over the last axis (Zhang and Sennrich 2019, arXiv:1910.07467).
public final class RMSNorm: Module {
    /// [D]
    @Weight("weight") public var weight: Parameter
    public let epsilon: Float
    /// 1 in families whose weights lie around 0, else 0; added in float32.
    public let offset: Float

    public init(weight: Parameter, epsilon: Float, offset: Float = 0) {
        (self.epsilon, self.offset) = (epsilon, offset)
        super.init()
        self.weight = weight
    }

    /// A norm without a weight yet, for a model that is loaded: see ``Module/load(from:options:progress:)``.
    public convenience init(width: Int, epsilon: Float, offset: Float = 0) {
        self.init(weight: .placeholder([width]), epsilon: epsilon, offset: offset)
    }

    public func callAsFunction(_ x: Tensor) -> Tensor {
        x.rmsNorm(weight: offset == 0 ? weight.tensor : weight.tensor.cast(to: .float32) + offset, epsilon: epsilon)
    }
}
