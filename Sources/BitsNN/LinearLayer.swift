public import BitsCore

/// A layer that computes `x · Wᵀ + b`, whatever form W is kept in.
///
/// What adapters, quantization and loading exchange for one another: a 4-bit layer, an 8-bit layer or an adapter around either is a drop-in.
open class LinearLayer: Module {
    /// K, the width of the input.
    public let inFeatures: Int
    /// N, the width of the output.
    public let outFeatures: Int

    public init(inFeatures: Int, outFeatures: Int) {
        self.inFeatures = inFeatures
        self.outFeatures = outFeatures
    }

    /// The layer's output for [.., K]: [.., N] in the type of `x`.
    open func callAsFunction(_ x: Tensor) -> Tensor { preconditionFailure("\(type(of: self)) does not say how it computes") }

    /// W as a tensor [N, K] in `dtype` (default: as it is kept; a quantized layer dequantizes it), for merging and for heads that need the matrix itself.
    open func weightMatrix(_ dtype: DType? = nil) -> Tensor { preconditionFailure("\(type(of: self)) does not say what its weight is") }
}
