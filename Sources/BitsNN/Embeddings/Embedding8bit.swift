public import BitsCore
public import BitsQuant

/// A table of vectors in int8 with one scale per row, frozen: the rows that are asked for are dequantized, the others are not touched.
///
/// It is saved and loaded as a linear layer's weight is, which the original refuses. Reference: `Embedding8bit`.
public final class Embedding8bit: EmbeddingLayer {
    /// [V, D]
    @Quantized("weight") public private(set) var weight: Int8Tensor
    /// The type of the vectors.
    public let dtype: DType

    /// The table of a weight that is quantized already.
    public init(weight: Int8Tensor, dtype: DType? = nil) {
        precondition(weight.shape.count == 2, "an embedding table of shape \(weight.shape)")
        self.dtype = dtype ?? weight.dtype
        super.init(vocabularySize: weight.shape[0], width: weight.shape[1])
        self.weight = weight
    }

    /// The int8 counterpart of `embedding`.
    ///
    /// - Parameter dtype: the type of the vectors; nil for that of the table.
    public convenience init(_ embedding: Embedding, dtype: DType? = nil) {
        self.init(weight: Int8Tensor(weight: embedding.weight.value), dtype: dtype)
    }

    /// The table that `entry` gives the parts of: `weight`, `SCB` and `weight_format`.
    ///
    /// - Parameter dtype: the type of the vectors, which the entries do not say.
    /// - Throws: ``LayerError``, ``QuantizationError`` when parts are missing or do not belong together, or what `entry` throws.
    public convenience init(dtype: DType, entries entry: (_ name: String) throws -> Tensor?) throws {
        self.init(weight: try Int8Tensor(tableNamed: "weight", as: dtype, entry))
    }

    /// A table of its own with the same vectors.
    public func copied() -> Embedding8bit { Embedding8bit(weight: weight, dtype: dtype) }

    public override func callAsFunction(_ ids: Tensor, dtype: DType? = nil) -> Tensor { weight.rows(ids, dtype: dtype ?? self.dtype) }

    public override func table(_ dtype: DType? = nil) -> Tensor { weight.dequantized(to: dtype ?? self.dtype) }
}
