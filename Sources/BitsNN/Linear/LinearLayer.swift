public import BitsCore

// Shapes: N = output width, K = input width.

/// A layer that computes `x · Wᵀ + b`, whatever form W is kept in.
///
/// What adapters, quantization and loading exchange for one another: a 4-bit layer, an 8-bit layer or an adapter around either is a drop-in. A model
/// declares its layers as `any LinearLayer`, so that they can be replaced.
public protocol LinearLayer: Head {
    /// K, the width of the input.
    var inFeatures: Int { get }
    /// N, the width of the output.
    var outFeatures: Int { get }
    /// b, [N]; nil for a layer without one.
    var bias: Parameter? { get }

    /// The layer's output for [.., K]: [.., N] in the type of `x`.
    func callAsFunction(_ x: Tensor) -> Tensor

    /// W as a tensor [N, K] in `dtype` (nil: as it is kept; a quantized layer dequantizes it), for merging; what computes with a layer calls it.
    func weightMatrix(_ dtype: DType?) -> Tensor
}

/// A layer that takes a low-rank update of its weight into its product.
package protocol UpdatedLinearLayer: LinearLayer {
    /// The output for [.., K] with the weight `W + scale * up · down`, down [R, K], up [N, R].
    ///
    /// - Parameter computeDType: what the update's products round their operands to, here and in the gradients.
    func callAsFunction(_ x: Tensor, addingLowRank down: Tensor, _ up: Tensor, scale: Float, computeDType: DType) -> Tensor
}

extension LinearLayer {
    public var bias: Parameter? { nil }

    /// W as a tensor [N, K], as it is kept; a quantized layer dequantizes it.
    public func weightMatrix() -> Tensor { weightMatrix(nil) }
}

/// What linear layers of every form check of their parts.
enum LinearParts {
    /// Stops where a weight is no matrix, or the bias is not a vector of its output width: a mistake of the caller.
    static func check(weight shape: [Int], bias: Parameter?) {
        precondition(shape.count == 2, "a linear weight of shape \(shape)")
        precondition(bias == nil || bias!.shape == [shape[0]], "a bias of shape \(bias!.shape) for a weight of shape \(shape)")
    }

    /// The bias among the entries of a layer whose weight has `shape`, frozen; nil where there is none.
    static func bias(of shape: [Int], _ entry: (String) throws -> Tensor?) throws -> Parameter? {
        guard shape.count == 2 else { throw LayerError.unsuitableEntry("weight", expected: "a matrix [N, K]", found: "of shape \(shape)") }
        guard let tensor = try entry("bias") else { return nil }
        guard tensor.dtype.isFloatingPoint, tensor.shape == [shape[0]] else {
            throw LayerError.unsuitableEntry("bias", expected: "floating point [\(shape[0])]", found: "\(tensor.dtype.rawValue) \(tensor.shape)")
        }
        return Parameter(tensor, isTrainable: false)
    }
}
