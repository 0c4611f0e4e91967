import BitsCore
import BitsNN

// Shapes: B = batch, T = tokens, E = width of the table of tokens, D = model width.

/// What the tokens of an encoder begin as: the sum of the vectors of token, position and segment, normed.
final class EncoderEmbeddings: Module {
    @Child("word_embeddings") var tokens: any EmbeddingLayer
    @Child("position_embeddings") var positions: PositionEmbedding?
    @Child("token_type_embeddings") var segments: (any EmbeddingLayer)?
    /// From E to D, where they differ.
    @Child("embed_proj") var projection: (any LinearLayer)?
    @Child("LayerNorm") var norm: LayerNorm
    private let contextLength: Int

    /// - Parameters:
    ///   - hasPositions: whether there is a vector for every position.
    ///   - tableWidth: E, where it is not the model's width.
    init(_ c: EncoderConfiguration, hasPositions: Bool = true, tableWidth: Int? = nil) {
        contextLength = c.contextLength
        super.init()
        let width = tableWidth ?? c.width
        tokens = Embedding(vocabularySize: c.vocabularySize, width: width)
        positions = hasPositions ? PositionEmbedding(positions: c.contextLength, width: width, offset: c.firstPosition) : nil
        segments = c.segments > 0 ? Embedding(vocabularySize: c.segments, width: width) : nil
        projection = width == c.width ? nil : Linear(inFeatures: width, outFeatures: c.width, bias: false)
        norm = LayerNorm(width: c.width, epsilon: c.normEpsilon)
    }

    /// [B, T, D]
    func callAsFunction(_ batch: TokenBatch, dtype: DType) -> Tensor {
        var x = tokens(batch.ids, dtype: dtype)  // [B, T, E]
        if let segments { x = x + segments(batch.segments ?? batch.firstSegments, dtype: dtype) }
        if let positions {
            let longest = batch.lengths.max() ?? 0
            precondition(longest <= contextLength, "a sequence of \(longest) tokens for a model with \(contextLength) positions; cut it")
            x = x + positions(batch.places.positions, dtype: dtype)
        }
        return norm(projection?(x) ?? x)  // [B, T, D]
    }
}

extension TokenBatch {
    /// The segments of tokens that all are of the first, int32 [B, T].
    fileprivate var firstSegments: Tensor { .zeros(ids.shape, dtype: .int32, device: device) }
}
