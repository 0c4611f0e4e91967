public import BitsCore
public import BitsQuant

/// A table of vectors in int8 with one scale per row, frozen: the rows that are asked for are dequantized, the others are not touched.
///
/// It is saved and loaded as a linear layer's weight is, which the original refuses. Reference: `Embedding8bit`.
public final class Embedding8bit: Module, EmbeddingLayer {
    /// [V, D]
    @Quantized("weight") public private(set) var weight: Int8Tensor
    /// The type of the vectors.
    public let dtype: DType
    /// Where a head multiplies with the table: entries of its input of at least this magnitude make their column an outlier column; 0 for none.
    public let outlierThreshold: Float

    /// The table of a weight that is quantized already.
    public init(weight: Int8Tensor, dtype: DType? = nil, outlierThreshold: Float = 6) {
        precondition(weight.shape.count == 2, "an embedding table of shape \(weight.shape)")
        self.dtype = dtype ?? weight.dtype
        self.outlierThreshold = outlierThreshold
        super.init()
        self.weight = weight
    }

    /// The int8 counterpart of `embedding`.
    ///
    /// - Parameter dtype: the type of the vectors; nil for that of the table.
    public convenience init(_ embedding: Embedding, dtype: DType? = nil, outlierThreshold: Float = 6) {
        self.init(weight: Int8Tensor(weight: embedding.weight.value), dtype: dtype, outlierThreshold: outlierThreshold)
    }

    /// The table that `entry` gives the parts of: `weight`, `SCB` and `weight_format`.
    ///
    /// - Parameter dtype: the type of the vectors, which the entries do not say.
    /// - Throws: ``LayerError``, ``BitsQuant/QuantizationError`` when parts are missing or do not belong together, or what `entry` throws.
    public convenience init(dtype: DType, outlierThreshold: Float = 6, entries entry: (_ name: String) throws -> Tensor?) throws {
        self.init(weight: try Int8Tensor(tableNamed: "weight", as: dtype, entry), outlierThreshold: outlierThreshold)
    }

    public var vocabularySize: Int { weight.shape[0] }
    public var width: Int { weight.shape[1] }

    /// A table of its own with the same vectors.
    public func copied() -> Embedding8bit { Embedding8bit(weight: weight, dtype: dtype, outlierThreshold: outlierThreshold) }

    public func callAsFunction(_ ids: Tensor, dtype: DType?) -> Tensor { weight.rows(ids, dtype: dtype ?? self.dtype) }

    public func table(_ dtype: DType?) -> Tensor { weight.dequantized(to: dtype ?? self.dtype) }

    public func scores(_ x: Tensor, computeDType: DType?) -> Tensor { x.linear(weight, outlierThreshold: outlierThreshold) }
}
