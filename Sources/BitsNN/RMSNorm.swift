public import BitsCore

/// `x / sqrt(mean(x^2) + epsilon) * weight` over the last axis (Zhang and Sennrich 2019, arXiv:1910.07467).
public final class RMSNorm: Module {
    /// [D]
    @Weight("weight") public var weight: Parameter
    public let epsilon: Float

    public init(weight: Parameter, epsilon: Float) {
        self.epsilon = epsilon
        super.init()
        self.weight = weight
    }

    /// A norm without a weight yet, for a model that is loaded: see ``Module/load(from:options:progress:)``.
    public convenience init(width: Int, epsilon: Float) { self.init(weight: .placeholder([width]), epsilon: epsilon) }

    public func callAsFunction(_ x: Tensor) -> Tensor { x.rmsNorm(weight: weight.tensor, epsilon: epsilon) }
}
