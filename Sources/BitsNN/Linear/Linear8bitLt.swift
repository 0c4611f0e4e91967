public import BitsCore
public import BitsQuant

// Shapes: N = output width, K = input width.

/// A linear layer of LLM.int8(): activations are quantized row by row and multiplied with an int8 weight exactly; columns of the activations that hold
/// outliers are multiplied in floating point.
///
/// Two kinds: with a frozen weight, of which only the codes are kept, and with a trained one, which is quantized anew whenever it has changed. The
/// output has the input's type. Evaluation and training compute the same, in any order.
/// Dettmers et al. 2022, "LLM.int8()", arXiv:2208.07339. Reference: `Linear8bitLt`.
public final class Linear8bitLt: Module, LinearLayer {
    /// [N, K], where the weight is trained (`has_fp16_weights`); nil where there are only codes.
    @Weight("weight") public private(set) var weight: Parameter?
    /// [N, K], where the weight is frozen; nil where it is trained.
    @Quantized("weight") public private(set) var codes: Int8Tensor?
    /// [N]
    @Weight("bias") public var bias: Parameter?
    public let inFeatures: Int
    public let outFeatures: Int
    /// Entries of the input of at least this magnitude make their column an outlier column; 0 for none.
    public var outlierThreshold: Float

    /// What the products of a trained weight read, and the change of the weight that it was made of.
    private var copy: (codes: Int8Tensor, change: Int)?

    private init(weight: Parameter?, codes: Int8Tensor?, shape: [Int], bias: Parameter?, outlierThreshold: Float) {
        LinearParts.check(weight: shape, bias: bias)
        precondition(outlierThreshold >= 0, "outlier threshold \(outlierThreshold); use 0 for none")
        (inFeatures, outFeatures) = (shape[1], shape[0])
        self.outlierThreshold = outlierThreshold
        super.init()
        self.weight = weight
        self.codes = codes
        self.bias = bias
    }

    /// The layer of a weight that is quantized already.
    ///
    /// - Parameter outlierThreshold: 6, that of the paper, unless told otherwise; 0 for no outliers.
    public convenience init(weight: Int8Tensor, bias: Parameter? = nil, outlierThreshold: Float = 6) {
        self.init(weight: nil, codes: weight, shape: weight.shape, bias: bias, outlierThreshold: outlierThreshold)
    }

    /// The int8 counterpart of `linear`; its bias is shared, and its weight where that is trained.
    ///
    /// - Parameters:
    ///   - keepsFloat16Weights: whether the weight itself stays, to be trained. Original: `has_fp16_weights`, there on unless turned off.
    ///   - outlierThreshold: 6, that of the paper, unless told otherwise; 0 for no outliers, which is the original's default.
    public convenience init(_ linear: Linear, keepsFloat16Weights: Bool = false, outlierThreshold: Float = 6) {
        let parameter = linear.weight
        self.init(
            weight: keepsFloat16Weights ? parameter : nil, codes: keepsFloat16Weights ? nil : Int8Tensor(weight: parameter.value),
            shape: parameter.shape, bias: linear.bias, outlierThreshold: outlierThreshold)
    }

    /// The frozen layer that `entry` gives the parts of: `weight`, `SCB`, `weight_format`, and `bias` if there is one.
    ///
    /// - Parameter dtype: of what ``weightMatrix(_:)`` gives back, which the entries do not say.
    /// - Throws: ``LayerError``, ``BitsQuant/QuantizationError`` when parts are missing, do not belong together or lie in another layout than row by row; what
    ///   `entry` throws.
    public convenience init(
        dtype: DType = .float16, outlierThreshold: Float = 6, entries entry: (_ name: String) throws -> Tensor?
    ) throws {
        let weight = try Int8Tensor(named: "weight", as: dtype, entry)
        self.init(weight: weight, bias: try LinearParts.bias(of: weight.shape, entry), outlierThreshold: outlierThreshold)
    }

    /// Whether the weight itself is there, to be trained.
    public var keepsFloat16Weights: Bool { weight != nil }

    /// The codes that the next product reads. Those of a trained weight are kept until the weight changes: the passes of an accumulated gradient, and
    /// evaluation after them, share them. (The original keeps them as long as there is a gradient, even where a step has changed the weight.)
    public var quantizedWeight: Int8Tensor {
        guard let weight else {
            guard let codes else { preconditionFailure("a layer without a weight") }
            return codes
        }
        if let copy, copy.change == weight.changeCount, copy.codes.device == weight.device { return copy.codes }
        let fresh = counted(as: .weights) { Int8Tensor(weight: weight.value) }
        copy = (fresh, weight.changeCount)
        return fresh
    }

    /// The codes of a trained weight come with the first product.
    override var copyByteCount: Int { weight.map { $0.count + 4 * outFeatures } ?? 0 }

    /// A layer of its own that computes the same.
    public func copied() -> Linear8bitLt {
        Linear8bitLt(
            weight: weight?.copied(), codes: codes, shape: [outFeatures, inFeatures], bias: bias?.copied(), outlierThreshold: outlierThreshold)
    }

    public func callAsFunction(_ x: Tensor) -> Tensor {
        let codes = quantizedWeight
        guard let weight else { return x.linear(codes, bias: bias?.tensor, outlierThreshold: outlierThreshold) }
        return x.linearInt8(weight.tensor, quantized: codes, bias: bias?.tensor, outlierThreshold: outlierThreshold)
    }

    /// What the products multiply with: the dequantized codes, also where the weight itself is there.
    public func weightMatrix(_ dtype: DType?) -> Tensor { quantizedWeight.dequantized(to: dtype) }
}
