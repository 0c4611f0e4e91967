public import BitsCore

/// The output head of a model that shares its weight with an embedding: `x · tableᵀ`.
///
/// It holds the place where the embedding is declared, and no weight of its own: when the table is quantized or replaced, the head multiplies with what
/// is there then.
public final class TiedLinear: Module, LinearLayer {
    private let table: () -> any EmbeddingLayer
    /// What products round their operands to, see ``Linear/computeDType``.
    public var computeDType: DType?

    /// - Parameter embedding: the declaration of the embedding, `$embedding`.
    public convenience init(_ embedding: Child<any EmbeddingLayer>, computeDType: DType? = nil) {
        self.init(computeDType: computeDType) { embedding.wrappedValue }
    }

    /// - Parameter embedding: reads the place where the embedding is declared.
    public init(computeDType: DType? = nil, _ embedding: @escaping () -> any EmbeddingLayer) {
        table = embedding
        self.computeDType = computeDType
    }

    /// The layer whose table is multiplied with.
    public var embedding: any EmbeddingLayer { table() }
    public var inFeatures: Int { embedding.width }
    public var outFeatures: Int { embedding.vocabularySize }

    public func callAsFunction(_ x: Tensor) -> Tensor { embedding.scores(x, computeDType: computeDType) }

    public func weightMatrix(_ dtype: DType?) -> Tensor { embedding.table(dtype) }
}
