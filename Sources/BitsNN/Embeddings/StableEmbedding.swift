public import BitsCore

/// An embedding for training with 8-bit optimizers: `layerNorm(table[ids])`, in float32, rounded to the table's type.
///
/// The table starts uniform in ±sqrt(6 / (V + D)), the norm as the identity, and an optimizer keeps the moments of the table in 32 bits: three measures
/// against the large and uneven gradients of word embeddings. Dettmers et al. 2022, "8-bit Optimizers via Block-wise Quantization", arXiv:2110.02861,
/// section 2.3. Reference: `bnb.nn.StableEmbedding`.
public final class StableEmbedding: Module, EmbeddingLayer {
    /// [V, D]
    @Weight("weight") public var weight: Parameter
    /// Over D, with epsilon 1e-5.
    @Child("norm") public var norm: LayerNorm
    /// The row that stands for no token, and is not trained.
    public let paddingIndex: Int?
    /// Whether a row's gradient is divided by how often the row is asked for at once. Original: `scale_grad_by_freq`.
    public var averagesGradient = false

    public init(weight: Parameter, norm: LayerNorm, paddingIndex: Int? = nil) {
        precondition(
            weight.shape.count == 2 && norm.weight.shape == [weight.shape[1]],
            "an embedding table of shape \(weight.shape), a norm over \(norm.weight.shape)")
        self.paddingIndex = paddingIndex
        super.init()
        weight.keeps32BitMoments = true
        self.weight = weight
        self.norm = norm
    }

    /// A table to be trained; `dtype` is its type and the output's, the norm is float32.
    public convenience init(
        vocabularySize: Int, width: Int, paddingIndex: Int? = nil, using generator: inout RandomGenerator, dtype: DType = .float32,
        device: Device = .cpu
    ) {
        let shape = [vocabularySize, width]
        let table = Tensor.xavierUniform(shape, paddingIndex: paddingIndex, using: &generator, dtype: dtype, device: device)
        self.init(weight: Parameter(table), norm: LayerNorm(width: width, device: device), paddingIndex: paddingIndex)
    }

    public var vocabularySize: Int { weight.shape[0] }
    public var width: Int { weight.shape[1] }

    /// A layer of its own that computes the same.
    public func copied() -> StableEmbedding {
        let copy = StableEmbedding(weight: weight.copied(), norm: norm.copied(), paddingIndex: paddingIndex)
        copy.averagesGradient = averagesGradient
        return copy
    }

    public func callAsFunction(_ ids: Tensor, dtype: DType?) -> Tensor {
        let rows = weight.tensor.rows(ids, dtype: .float32, paddingIndex: paddingIndex, averagesGradient: averagesGradient)  // [.., D]
        return norm(rows).cast(to: dtype ?? weight.dtype)
    }

    /// The vectors before the norm.
    public func table(_ dtype: DType?) -> Tensor { weight.tensor.cast(to: dtype ?? weight.dtype) }

    public func scores(_ x: Tensor, computeDType: DType?) -> Tensor { x.linear(weight.tensor, computeDType: computeDType) }
}
