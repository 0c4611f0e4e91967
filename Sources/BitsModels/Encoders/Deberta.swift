public import BitsCore
public import BitsNN
import BitsIO
import BitsSystem

// DeBERTa of the second and third version (He et al. 2021, arXiv:2006.03654, arXiv:2111.09543).
// Shapes: B = batch, T = tokens, S = sequences, D = model width, N = heads, H = head width, C = 2 * span relative positions.

/// The table of relative positions, and which row of it stands for each distance.
struct RelativePositions {
    /// [C, D]
    let table: Tensor
    /// The row for distance `q - k`, at `q - k + T - 1`: int32 [2 T - 1].
    let buckets: Tensor
}

extension DebertaConfiguration.Relative {
    /// The row for a query that stands `distance` tokens behind its key; before it if negative. Reference: `make_log_bucket_position`.
    public func bucket(_ distance: Int) -> Int {
        var place = distance
        let (middle, length) = (span / 2, abs(distance))
        if let farthest, length > middle {
            // Float32 throughout: beside a whole number, its rounding decides which bucket it is.
            let share = log(Float(length) / Float(middle)) / log(Float(farthest - 1) / Float(middle))
            place = (Int((share * Float(middle - 1)).rounded(.up)) + middle) * distance.signum()
        }
        return min(max(place + span, 0), 2 * span - 1)
    }
}

/// Attention with scores of three parts: content by content, content by relative position, relative position by content.
final class DebertaAttention: Module, EncoderAttention {
    @Child("self.query_proj") var query: any LinearLayer
    @Child("self.key_proj") var key: any LinearLayer
    @Child("self.value_proj") var value: any LinearLayer
    /// Of relative positions, where the layers of the contents do not serve for them.
    @Child("self.pos_key_proj") var positionKey: (any LinearLayer)?
    @Child("self.pos_query_proj") var positionQuery: (any LinearLayer)?
    @Child("output.dense") var output: any LinearLayer
    @Child("output.LayerNorm") var norm: LayerNorm
    private let configuration: DebertaConfiguration

    init(_ c: DebertaConfiguration) {
        configuration = c
        super.init()
        let width = c.encoder.width
        func layer() -> Linear { Linear(inFeatures: width, outFeatures: width) }
        (query, key, value) = (layer(), layer(), layer())
        let hasOwn = c.relative?.sharesProjections == false
        positionKey = hasOwn && c.terms.contains(.contentToPosition) ? layer() : nil
        positionQuery = hasOwn && c.terms.contains(.positionToContent) ? layer() : nil
        output = layer()
        norm = LayerNorm(width: width, epsilon: c.encoder.normEpsilon)
    }

    func callAsFunction(_ x: Tensor, _ pass: EncoderPass) -> Tensor {
        let heads = configuration.encoder.heads
        let q = query(x).splitIntoHeads(heads)  // [B, T, N, H]
        let (k, v) = (key(x).splitIntoHeads(heads), value(x).splitIntoHeads(heads))
        let scale = 1 / Float(configuration.encoder.headWidth * (1 + configuration.terms.count)).squareRoot()
        let bias = pass.relative.map { self.bias(of: $0, query: q, key: k, scale: scale) }
        let options = AttentionOptions(scale: scale, bias: bias)
        let attended = attention(query: q, key: k, value: v, ranges: pass.ranges, options: options)
        return norm(x + output(attended.reshaped(x.shape)))  // [B, T, D]
    }

    /// What relative positions add to the scores of queries and keys [B, T, N, H].
    private func bias(of relative: RelativePositions, query q: Tensor, key k: Tensor, scale: Float) -> AttentionBias {
        func positions(_ layer: any LinearLayer) -> Tensor { layer(relative.table).reshaped(relative.table.shape[0], q.shape[2], -1) }  // [C, N, H]
        let terms = configuration.terms
        return .relative(
            byQuery: terms.contains(.contentToPosition) ? q.headProducts(positions(positionKey ?? key)) * scale : nil,
            byKey: terms.contains(.positionToContent) ? k.headProducts(positions(positionQuery ?? query)) * scale : nil, buckets: relative.buckets)
    }
}

/// The stack of blocks, and the table of relative positions that they share.
final class DebertaEncoder: Module {
    @Children("layer") var blocks: [EncoderBlock]
    @Child("rel_embeddings") var relative: (any EmbeddingLayer)?
    @Child("LayerNorm") var norm: LayerNorm?

    init(_ c: DebertaConfiguration) {
        super.init()
        blocks = (0..<c.encoder.layers).map { _ in EncoderBlock(c.encoder, attention: DebertaAttention(c)) }
        relative = c.relative.map { Embedding(vocabularySize: 2 * $0.span, width: c.encoder.width) }
        norm = c.normsRelativePositions ? LayerNorm(width: c.encoder.width, epsilon: c.encoder.normEpsilon) : nil
    }
}

/// The stack of blocks on the embeddings.
public final class Deberta: Module, Backbone {
    @Child("embeddings") var embeddings: EncoderEmbeddings
    @Child("encoder") var encoder: DebertaEncoder
    public let configuration: DebertaConfiguration
    public var recomputesBlocks = false

    /// The backbone without weights, see ``BitsNN/Module/load(from:options:progress:)``.
    public init(_ c: DebertaConfiguration) {
        configuration = c
        super.init()
        embeddings = EncoderEmbeddings(c.encoder, hasPositions: c.hasPositions, tableWidth: c.tableWidth)
        encoder = DebertaEncoder(c)
    }

    public var embedding: any EmbeddingLayer { embeddings.tokens }
    public var contextLength: Int { configuration.encoder.contextLength }

    public override var checkpointNames: CheckpointNames {
        var names = CheckpointNames()
        // Numbers from 0, a table that models without positions of their own were saved with, and a second head that was pretrained.
        names.unused = ["embeddings.position_ids", "mask_predictions"]
        if !configuration.hasPositions { names.unused.append("embeddings.position_embeddings.weight") }
        return names
    }

    public func hiddenStates(_ tokens: TokenBatch, dtype: DType, cache: KeyValueCache?) -> Tensor {
        precondition(cache == nil, "an encoder keeps nothing: its tokens see those that come after them")
        var pass = EncoderPass(ranges: tokens.ranges(.full), recomputes: recomputesBlocks)
        pass.relative = relativePositions(tokens, dtype: dtype)
        return pass.run(encoder.blocks, on: embeddings(tokens, dtype: dtype))  // [B, T, D]
    }

    private func relativePositions(_ tokens: TokenBatch, dtype: DType) -> RelativePositions? {
        guard let relative = configuration.relative, let layer = encoder.relative, !configuration.terms.isEmpty else { return nil }
        let (table, T) = (layer.table(dtype), tokens.length)  // [C, D]
        let buckets = (1 - T..<T).map { Int32(relative.bucket($0)) }
        return RelativePositions(table: encoder.norm?(table) ?? table, buckets: Tensor(buckets, device: tokens.device))
    }
}
