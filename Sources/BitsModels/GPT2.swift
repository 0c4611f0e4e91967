import BitsCore
import BitsIO
import BitsNN

// GPT-2 (Radford et al. 2019, "Language Models are Unsupervised Multitask Learners").
// Shapes: B = batch, T = tokens, D = model width, N = heads, H = head width, F = inner width, P = positions.

/// The sizes and constants of a GPT-2 model.
struct GPT2Configuration {
    let vocabularySize: Int
    /// P, the positions that there are vectors for.
    let contextLength: Int
    /// D
    let width: Int
    /// F
    let innerWidth: Int
    let layers: Int
    /// N
    let heads: Int
    let normEpsilon: Float
    let activation: Activation
    /// Whether scores are divided by the root of the head width.
    let scalesScores: Bool
    /// Whether scores are divided by the number of the layer, from 1.
    let scalesScoresByLayer: Bool

    var headWidth: Int { width / heads }

    /// What multiplies the scores of `layer`.
    func scale(layer: Int) -> Float {
        (scalesScores ? 1 / Float(headWidth).squareRoot() : 1) / (scalesScoresByLayer ? Float(layer + 1) : 1)
    }

    init(_ fields: ConfigurationFields) throws(ModelFileError) {
        let (widthKey, headsKey) = (fields.key("hidden_size", "n_embd"), fields.key("num_attention_heads", "n_head"))
        vocabularySize = try fields.requireCount("vocab_size")
        contextLength = try fields.requireCount(fields.key("max_position_embeddings", "n_positions"))
        width = try fields.requireCount(widthKey)
        layers = try fields.requireCount(fields.key("num_hidden_layers", "n_layer"))
        heads = try fields.requireCount(headsKey)
        _ = try fields.headWidth(of: width, widthKey, heads: heads, headsKey)
        try fields.check([
            ("vocab_size", vocabularySize, 1 << 26), ("n_positions", contextLength, 1 << 26), (widthKey, width, 1 << 20),
            ("n_layer", layers, 1 << 12),
        ])
        innerWidth = try fields.count("n_inner", default: 4 * width)
        try fields.check([("n_inner", innerWidth, 1 << 24)])
        normEpsilon = try fields.positive("layer_norm_epsilon", default: 1e-5)
        activation = try fields.activation("activation_function", default: "gelu_new")
        scalesScores = try fields.value("scale_attn_weights", default: true)
        scalesScoresByLayer = try fields.value("scale_attn_by_inverse_layer_idx", default: false)
        if try fields.value("add_cross_attention", default: false) {
            throw .unsupported(path: fields.path, "has add_cross_attention true; a decoder without an encoder was expected")
        }
    }
}

/// Attention whose queries, keys and values come from one projection.
final class GPT2Attention: Module {
    @Child("c_attn") var projection: any LinearLayer
    @Child("c_proj") var output: any LinearLayer
    private let configuration: GPT2Configuration

    init(_ c: GPT2Configuration) {
        configuration = c
        super.init()
        projection = Linear(inFeatures: c.width, outFeatures: 3 * c.width)
        output = Linear(inFeatures: c.width, outFeatures: c.width)
    }

    func callAsFunction(_ x: Tensor, _ pass: DecoderPass, layer: Int) -> Tensor {
        let (B, T, N, D) = (x.shape[0], x.shape[1], configuration.heads, configuration.width)
        let joined = projection(x)  // [B, T, 3 D]
        func part(_ index: Int) -> Tensor { joined.narrowed(axis: 2, to: index * D..<(index + 1) * D).reshaped(B, T, N, -1) }  // [B, T, N, H]
        let options = AttentionOptions(scale: configuration.scale(layer: layer))
        return output(pass.attended(query: part(0), key: part(1), value: part(2), layer: layer, options: options))  // [B, T, D]
    }
}

/// The feed-forward layer: `down(activation(up(x)))`.
final class GPT2FeedForward: Module {
    @Child("c_fc") var up: any LinearLayer
    @Child("c_proj") var down: any LinearLayer
    private let activation: Activation

    init(_ c: GPT2Configuration) {
        activation = c.activation
        super.init()
        up = Linear(inFeatures: c.width, outFeatures: c.innerWidth)
        down = Linear(inFeatures: c.innerWidth, outFeatures: c.width)
    }

    func callAsFunction(_ x: Tensor) -> Tensor { down(up(x).activated(activation)) }
}

/// Attention and feed-forward, each on the normed residual stream.
final class GPT2Block: Module, DecoderBlock {
    @Child("ln_1") var attentionNorm: LayerNorm
    @Child("attn") var attention: GPT2Attention
    @Child("ln_2") var feedForwardNorm: LayerNorm
    @Child("mlp") var feedForward: GPT2FeedForward

    init(_ c: GPT2Configuration) {
        super.init()
        attentionNorm = .placeholder(width: c.width, epsilon: c.normEpsilon)
        attention = GPT2Attention(c)
        feedForwardNorm = .placeholder(width: c.width, epsilon: c.normEpsilon)
        feedForward = GPT2FeedForward(c)
    }

    func callAsFunction(_ x: Tensor, _ pass: DecoderPass, layer: Int) -> Tensor {
        let attended = x + attention(attentionNorm(x), pass, layer: layer)
        return attended + feedForward(feedForwardNorm(attended))
    }
}

/// The stack of blocks on the vectors of tokens and positions.
final class GPT2: Module, Backbone {
    @Child("wte") private(set) var embedding: any EmbeddingLayer
    @Child("wpe") var positions: PositionEmbedding
    @Children("h") var blocks: [any DecoderBlock]
    @Child("ln_f") var norm: LayerNorm
    private let configuration: GPT2Configuration
    var recomputesBlocks = false

    init(_ c: GPT2Configuration) {
        configuration = c
        super.init()
        embedding = Embedding(vocabularySize: c.vocabularySize, width: c.width)
        positions = PositionEmbedding(positions: c.contextLength, width: c.width)
        blocks = (0..<c.layers).map { _ in GPT2Block(c) }
        norm = .placeholder(width: c.width, epsilon: c.normEpsilon)
    }

    var contextLength: Int { configuration.contextLength }
    var cacheLayout: CacheLayout? { CacheLayout(layers: configuration.layers, heads: configuration.heads, headWidth: configuration.headWidth) }

    override var checkpointNames: CheckpointNames {
        var names = CheckpointNames()
        names.unused = [".attn.bias", ".attn.masked_bias"]  // masks, which old checkpoints hold
        names.transposed = ["attn.c_attn", "attn.c_proj", "mlp.c_fc", "mlp.c_proj"]
        return names
    }

    func hiddenStates(_ tokens: TokenBatch, dtype: DType, cache: KeyValueCache?) -> Tensor {
        let x = embedding(tokens.ids, dtype: dtype) + positions(tokens.places.positions, dtype: dtype)  // [B, T, D]
        return norm(DecoderPass(tokens, cache: cache, recomputes: recomputesBlocks).run(blocks, on: x))
    }
}

extension ModelFamily {
    static let gpt2 = ModelFamily(
        "gpt2", backbone: "transformer",
        heads: [
            .causalLanguageModeling: .vocabulary(tiesUnlessTold: true), .sequenceClassification: .labels("score", bias: false),
            .tokenClassification: .labels("classifier", bias: true),
        ]
    ) { (configuration) throws(ModelFileError) in GPT2(try GPT2Configuration(configuration.fields)) }
}
