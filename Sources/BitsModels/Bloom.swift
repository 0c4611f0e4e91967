import BitsCore
import BitsIO
import BitsNN

// BLOOM (BigScience 2022, arXiv:2211.05100).
// Shapes: B = batch, T = tokens, D = model width, N = heads, H = head width.

/// The sizes and constants of a BLOOM model.
struct BloomConfiguration {
    let vocabularySize: Int
    /// D
    let width: Int
    let layers: Int
    /// N
    let heads: Int
    /// Tokens that the model was made for; nothing in it ends there.
    let contextLength: Int
    let normEpsilon: Float
    /// Whether what a block adds to is the normed stream.
    let addsToNormed: Bool

    var headWidth: Int { width / heads }

    init(_ fields: ConfigurationFields) throws(ModelFileError) {
        let (widthKey, headsKey) = (fields.key("n_embed", "hidden_size"), fields.key("num_attention_heads", "n_head"))
        vocabularySize = try fields.requireCount("vocab_size")
        width = try fields.requireCount(widthKey)
        layers = try fields.requireCount(fields.key("num_hidden_layers", "n_layer"))
        heads = try fields.requireCount(headsKey)
        contextLength = try fields.count("seq_length", default: 2048)
        _ = try fields.headWidth(of: width, widthKey, heads: heads, headsKey)
        try fields.check([("vocab_size", vocabularySize, 1 << 26), (widthKey, width, 1 << 20), ("n_layer", layers, 1 << 12)])
        normEpsilon = try fields.positive("layer_norm_epsilon", default: 1e-5)
        addsToNormed = try fields.value("apply_residual_connection_post_layernorm", default: false)
    }
}

/// Attention with ALiBi, whose queries, keys and values come from one projection, head by head.
final class BloomAttention: Module {
    @Child("query_key_value") var projection: any LinearLayer
    @Child("dense") var output: any LinearLayer
    private let heads: Int
    private let slopes: BloomSlopes

    init(_ c: BloomConfiguration, _ slopes: BloomSlopes) {
        (heads, self.slopes) = (c.heads, slopes)
        super.init()
        projection = Linear(inFeatures: c.width, outFeatures: 3 * c.width)
        output = Linear(inFeatures: c.width, outFeatures: c.width)
    }

    func callAsFunction(_ x: Tensor, _ pass: DecoderPass, layer: Int) -> Tensor {
        let (B, T) = (x.shape[0], x.shape[1])
        let joined = projection(x).reshaped(B, T, heads, 3, -1)  // [B, T, N, 3, H]
        func part(_ index: Int) -> Tensor { joined.narrowed(axis: 3, to: index..<index + 1).reshaped(B, T, heads, -1) }  // [B, T, N, H]
        let options = AttentionOptions(bias: slopes.bias(on: x.device))
        return output(pass.attended(query: part(0), key: part(1), value: part(2), layer: layer, options: options))  // [B, T, D]
    }
}

/// The slopes of ALiBi where they are needed, made once for all layers.
final class BloomSlopes {
    private let heads: Int
    private var made: (bias: AttentionBias, device: Device)?

    init(heads: Int) { self.heads = heads }

    func bias(on device: Device) -> AttentionBias {
        if let made, made.device == device { return made.bias }
        let bias = AttentionBias.alibi(heads: heads, device: device)
        made = (bias, device)
        return bias
    }
}

/// The feed-forward layer: `down(gelu(up(x)))`.
final class BloomFeedForward: Module {
    @Child("dense_h_to_4h") var up: any LinearLayer
    @Child("dense_4h_to_h") var down: any LinearLayer

    init(_ c: BloomConfiguration) {
        super.init()
        up = Linear(inFeatures: c.width, outFeatures: 4 * c.width)
        down = Linear(inFeatures: 4 * c.width, outFeatures: c.width)
    }

    func callAsFunction(_ x: Tensor) -> Tensor { down(up(x).activated(.geluTanh)) }
}

/// Attention and feed-forward, each on the normed residual stream.
final class BloomBlock: Module, DecoderBlock {
    @Child("input_layernorm") var attentionNorm: LayerNorm
    @Child("self_attention") var attention: BloomAttention
    @Child("post_attention_layernorm") var feedForwardNorm: LayerNorm
    @Child("mlp") var feedForward: BloomFeedForward
    private let addsToNormed: Bool

    init(_ c: BloomConfiguration, _ slopes: BloomSlopes) {
        addsToNormed = c.addsToNormed
        super.init()
        attentionNorm = .placeholder(width: c.width, epsilon: c.normEpsilon)
        attention = BloomAttention(c, slopes)
        feedForwardNorm = .placeholder(width: c.width, epsilon: c.normEpsilon)
        feedForward = BloomFeedForward(c)
    }

    func callAsFunction(_ x: Tensor, _ pass: DecoderPass, layer: Int) -> Tensor {
        let normed = attentionNorm(x)
        let attended = (addsToNormed ? normed : x) + attention(normed, pass, layer: layer)
        let renormed = feedForwardNorm(attended)
        return (addsToNormed ? renormed : attended) + feedForward(renormed)
    }
}

/// The stack of blocks on the normed embedding.
final class Bloom: Module, Backbone {
    @Child("word_embeddings") private(set) var embedding: any EmbeddingLayer
    @Child("word_embeddings_layernorm") var embeddingNorm: LayerNorm
    @Children("h") var blocks: [any DecoderBlock]
    @Child("ln_f") var norm: LayerNorm
    private let configuration: BloomConfiguration
    var recomputesBlocks = false

    init(_ c: BloomConfiguration) {
        configuration = c
        super.init()
        let slopes = BloomSlopes(heads: c.heads)
        embedding = Embedding(vocabularySize: c.vocabularySize, width: c.width)
        embeddingNorm = .placeholder(width: c.width, epsilon: c.normEpsilon)
        blocks = (0..<c.layers).map { _ in BloomBlock(c, slopes) }
        norm = .placeholder(width: c.width, epsilon: c.normEpsilon)
    }

    var contextLength: Int { configuration.contextLength }
    var cacheLayout: CacheLayout? { CacheLayout(layers: configuration.layers, heads: configuration.heads, headWidth: configuration.headWidth) }

    func hiddenStates(_ tokens: TokenBatch, dtype: DType, cache: KeyValueCache?) -> Tensor {
        let x = embeddingNorm(embedding(tokens.ids, dtype: dtype))  // [B, T, D]
        return norm(DecoderPass(tokens, cache: cache, recomputes: recomputesBlocks).run(blocks, on: x))
    }
}

extension ModelFamily {
    static let bloom = ModelFamily("bloom", backbone: "transformer", heads: gpt2.heads) { (configuration) throws(ModelFileError) in
        Bloom(try BloomConfiguration(configuration.fields))
    }
}
