import BitsCore
import BitsIO
import BitsNN

// OPT (Zhang et al. 2022, arXiv:2205.01068), and Galactica, which is built like it.
// Shapes: B = batch, T = tokens, D = model width, E = width of the embedding, N = heads, H = head width, F = inner width.

/// The sizes and constants of an OPT model.
struct OPTConfiguration {
    let vocabularySize: Int
    /// E; where it is not D, projections lead from the embedding into the stream, and back.
    let embeddingWidth: Int
    /// D
    let width: Int
    /// F
    let innerWidth: Int
    let layers: Int
    /// N
    let heads: Int
    /// Tokens that there are positions for.
    let contextLength: Int
    let activation: Activation
    /// Whether attention and feed-forward see the normed stream; else what they are added to is normed, as in the model of 350 million parameters.
    let normsFirst: Bool
    /// Whether the stream is normed behind the last block.
    let hasFinalNorm: Bool
    /// Whether linear layers have biases.
    let hasBiases: Bool

    var headWidth: Int { width / heads }

    init(_ fields: ConfigurationFields) throws(ModelFileError) {
        vocabularySize = try fields.requireCount("vocab_size")
        width = try fields.requireCount("hidden_size")
        embeddingWidth = try fields.count("word_embed_proj_dim", default: width)
        innerWidth = try fields.requireCount("ffn_dim")
        layers = try fields.requireCount("num_hidden_layers")
        heads = try fields.requireCount("num_attention_heads")
        contextLength = try fields.requireCount("max_position_embeddings")
        _ = try fields.headWidth(of: width, "hidden_size", heads: heads, "num_attention_heads")
        try fields.check([
            ("vocab_size", vocabularySize, 1 << 26), ("hidden_size", width, 1 << 20), ("word_embed_proj_dim", embeddingWidth, 1 << 20),
            ("ffn_dim", innerWidth, 1 << 24), ("num_hidden_layers", layers, 1 << 12), ("max_position_embeddings", contextLength, 1 << 26),
        ])
        activation = try fields.activation("activation_function", default: "relu")
        normsFirst = try fields.value("do_layer_norm_before", default: true)
        let removesFinalNorm = try fields.value("_remove_final_layer_norm", default: false)
        hasFinalNorm = normsFirst && !removesFinalNorm
        hasBiases = try fields.value("enable_bias", default: true)
        guard try fields.value("layer_norm_elementwise_affine", default: true) else {
            throw .unsupported(path: fields.path, "has layer_norm_elementwise_affine false; norms with weights were expected")
        }
    }

    func norm() -> LayerNorm { .placeholder(width: width, epsilon: 1e-5) }
}

/// Attention of all heads.
final class OPTAttention: Module {
    @Child("k_proj") var key: any LinearLayer
    @Child("v_proj") var value: any LinearLayer
    @Child("q_proj") var query: any LinearLayer
    @Child("out_proj") var output: any LinearLayer
    private let heads: Int

    init(_ c: OPTConfiguration) {
        heads = c.heads
        super.init()
        func projection() -> Linear { Linear(inFeatures: c.width, outFeatures: c.width, bias: c.hasBiases) }
        (key, value, query, output) = (projection(), projection(), projection(), projection())
    }

    func callAsFunction(_ x: Tensor, _ pass: DecoderPass, layer: Int) -> Tensor {
        func split(_ projected: Tensor) -> Tensor { projected.reshaped(x.shape[0], x.shape[1], heads, -1) }  // [B, T, N, H]
        return output(pass.attended(query: split(query(x)), key: split(key(x)), value: split(value(x)), layer: layer))  // [B, T, D]
    }
}

/// Attention and feed-forward, with norms before or behind each.
final class OPTBlock: Module, DecoderBlock {
    @Child("self_attn") var attention: OPTAttention
    @Child("self_attn_layer_norm") var attentionNorm: LayerNorm
    @Child("fc1") var up: any LinearLayer
    @Child("fc2") var down: any LinearLayer
    @Child("final_layer_norm") var feedForwardNorm: LayerNorm
    private let activation: Activation
    private let normsFirst: Bool

    init(_ c: OPTConfiguration) {
        (activation, normsFirst) = (c.activation, c.normsFirst)
        super.init()
        attention = OPTAttention(c)
        attentionNorm = c.norm()
        up = Linear(inFeatures: c.width, outFeatures: c.innerWidth, bias: c.hasBiases)
        down = Linear(inFeatures: c.innerWidth, outFeatures: c.width, bias: c.hasBiases)
        feedForwardNorm = c.norm()
    }

    func callAsFunction(_ x: Tensor, _ pass: DecoderPass, layer: Int) -> Tensor {
        func feedForward(_ x: Tensor) -> Tensor { down(up(x).activated(activation)) }
        if normsFirst {
            let attended = x + attention(attentionNorm(x), pass, layer: layer)
            return attended + feedForward(feedForwardNorm(attended))
        }
        let attended = attentionNorm(x + attention(x, pass, layer: layer))
        return feedForwardNorm(attended + feedForward(attended))
    }
}

/// The stack of blocks on the vectors of tokens and positions.
final class OPTDecoder: Module {
    @Child("embed_tokens") var embedding: any EmbeddingLayer
    @Child("embed_positions") var positions: PositionEmbedding
    @Child("project_out") var projectionOut: (any LinearLayer)?
    @Child("project_in") var projectionIn: (any LinearLayer)?
    @Child("final_layer_norm") var norm: LayerNorm?
    @Children("layers") var blocks: [any DecoderBlock]

    init(_ c: OPTConfiguration) {
        super.init()
        embedding = Embedding(vocabularySize: c.vocabularySize, width: c.embeddingWidth)
        positions = PositionEmbedding(positions: c.contextLength, width: c.width, offset: 2)
        let projects = c.embeddingWidth != c.width
        projectionOut = projects ? Linear(inFeatures: c.width, outFeatures: c.embeddingWidth, bias: false) : nil
        projectionIn = projects ? Linear(inFeatures: c.embeddingWidth, outFeatures: c.width, bias: false) : nil
        norm = c.hasFinalNorm ? c.norm() : nil
        blocks = (0..<c.layers).map { _ in OPTBlock(c) }
    }

    func callAsFunction(_ tokens: TokenBatch, dtype: DType, _ pass: DecoderPass) -> Tensor {
        let vectors = embedding(tokens.ids, dtype: dtype)  // [B, T, E]
        let x = (projectionIn?(vectors) ?? vectors) + positions(tokens.places.positions, dtype: dtype)  // [B, T, D]
        let stream = pass.run(blocks, on: x)
        let hidden = norm?(stream) ?? stream
        return projectionOut?(hidden) ?? hidden  // [B, T, E]
    }
}

/// A decoder under its name in checkpoints.
final class OPT: Module, Backbone {
    @Child("decoder") var decoder: OPTDecoder
    private let configuration: OPTConfiguration
    var recomputesBlocks = false

    init(_ c: OPTConfiguration) {
        configuration = c
        super.init()
        decoder = OPTDecoder(c)
    }

    var embedding: any EmbeddingLayer { decoder.embedding }
    var contextLength: Int { configuration.contextLength }
    var cacheLayout: CacheLayout? { CacheLayout(layers: configuration.layers, heads: configuration.heads, headWidth: configuration.headWidth) }

    func hiddenStates(_ tokens: TokenBatch, dtype: DType, cache: KeyValueCache?) -> Tensor {
        decoder(tokens, dtype: dtype, DecoderPass(tokens, cache: cache, recomputes: recomputesBlocks))
    }
}

extension ModelFamily {
    static let opt = ModelFamily(
        "opt", backbone: "model",
        heads: [.causalLanguageModeling: .vocabulary(tiesUnlessTold: true), .sequenceClassification: .labels("score", bias: false)]
    ) { (configuration) throws(ModelFileError) in OPT(try OPTConfiguration(configuration.fields)) }
}
