public import BitsCore

/// A table of vectors in floating point: row `ids[i]` of [V, D].
///
/// An optimizer keeps the moments of its weight in 32 bits, others in 8 or not. Reference: `bnb.nn.Embedding`.
public final class Embedding: Module, EmbeddingLayer {
    /// [V, D]
    @Weight("weight") public var weight: Parameter
    /// The row that stands for no token, and is not trained.
    public let paddingIndex: Int?
    /// Whether a row's gradient is divided by how often the row is asked for at once. Original: `scale_grad_by_freq`.
    public var averagesGradient = false

    public init(weight: Parameter, paddingIndex: Int? = nil) {
        precondition(weight.shape.count == 2, "an embedding table of shape \(weight.shape)")
        self.paddingIndex = paddingIndex
        super.init()
        weight.keeps32BitMoments = true
        self.weight = weight
    }

    /// A table without vectors yet, for a model that is loaded: see ``Module/load(from:options:progress:)``.
    public convenience init(vocabularySize: Int, width: Int) { self.init(weight: .placeholder([vocabularySize, width])) }

    /// A table to be trained, uniform in ±sqrt(6 / (V + D)); the padding row is zero.
    public convenience init(
        vocabularySize: Int, width: Int, paddingIndex: Int? = nil, using generator: inout RandomGenerator, dtype: DType = .float32,
        device: Device = .cpu
    ) {
        let shape = [vocabularySize, width]
        let table = Tensor.xavierUniform(shape, paddingIndex: paddingIndex, using: &generator, dtype: dtype, device: device)
        self.init(weight: Parameter(table), paddingIndex: paddingIndex)
    }

    public var vocabularySize: Int { weight.shape[0] }
    public var width: Int { weight.shape[1] }

    /// A table of its own with the same vectors.
    public func copied() -> Embedding {
        let copy = Embedding(weight: weight.copied(), paddingIndex: paddingIndex)
        copy.averagesGradient = averagesGradient
        return copy
    }

    public func callAsFunction(_ ids: Tensor, dtype: DType?) -> Tensor {
        weight.tensor.rows(ids, dtype: dtype, paddingIndex: paddingIndex, averagesGradient: averagesGradient)
    }

    public func table(_ dtype: DType?) -> Tensor { weight.tensor.cast(to: dtype ?? weight.dtype) }

    public func scores(_ x: Tensor, computeDType: DType?) -> Tensor { x.linear(weight.tensor, computeDType: computeDType) }
}
