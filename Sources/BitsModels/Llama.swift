public import BitsCore
public import BitsNN

// Llama 2, 3, 3.1 and what is built like them (Touvron et al. 2023, arXiv:2302.13971; Grattafiori et al. 2024, arXiv:2407.21783).
// Shapes: B = batch, T = tokens, D = model width, N = heads, G = key and value heads, H = head width, F = inner width, V = vocabulary.

/// The sizes and constants of a Llama model; see ``init(_:)`` for the checkpoint's `config.json`.
public struct LlamaConfiguration: Sendable, Equatable {
    /// V, tokens in the vocabulary.
    public var vocabularySize: Int
    /// D, the width of the residual stream.
    public var width: Int
    /// F, the width inside the feed-forward layer.
    public var innerWidth: Int
    /// The number of blocks.
    public var layers: Int
    /// N, query heads.
    public var heads: Int
    /// G, key and value heads; divides N.
    public var keyValueHeads: Int
    /// H, the width of a head; even.
    public var headWidth: Int
    /// Tokens that the model was made for.
    public var contextLength: Int
    /// Added to the mean square in norms.
    public var normEpsilon: Float = 1e-6
    /// Of the feed-forward layer's gate.
    public var activation: Activation = .silu
    /// The base of the rotary frequencies.
    public var ropeTheta: Float = 10_000
    /// How the frequencies are stretched for long contexts.
    public var ropeScaling: RotaryEmbedding.Scaling = .none
    /// Whether the projections of attention have biases.
    public var hasAttentionBias = false
    /// Whether those of the feed-forward layer have.
    public var hasFeedForwardBias = false
    /// Whether the output head is the embedding table.
    public var tiesEmbeddings = false

    public init(
        vocabularySize: Int, width: Int, innerWidth: Int, layers: Int, heads: Int, keyValueHeads: Int? = nil, headWidth: Int? = nil,
        contextLength: Int = 2048
    ) {
        self.vocabularySize = vocabularySize
        self.width = width
        self.innerWidth = innerWidth
        self.layers = layers
        self.heads = heads
        self.keyValueHeads = keyValueHeads ?? heads
        self.headWidth = headWidth ?? width / heads
        self.contextLength = contextLength
    }
}

/// Grouped-query attention with rotary positions.
final class LlamaAttention: Module {
    @Child("q_proj") var query: any LinearLayer
    @Child("k_proj") var key: any LinearLayer
    @Child("v_proj") var value: any LinearLayer
    @Child("o_proj") var output: any LinearLayer
    private let configuration: LlamaConfiguration

    init(_ c: LlamaConfiguration) {
        configuration = c
        super.init()
        let (queryWidth, keyWidth) = (c.heads * c.headWidth, c.keyValueHeads * c.headWidth)
        query = Linear(inFeatures: c.width, outFeatures: queryWidth, bias: c.hasAttentionBias)
        key = Linear(inFeatures: c.width, outFeatures: keyWidth, bias: c.hasAttentionBias)
        value = Linear(inFeatures: c.width, outFeatures: keyWidth, bias: c.hasAttentionBias)
        output = Linear(inFeatures: queryWidth, outFeatures: c.width, bias: c.hasAttentionBias)
    }

    func callAsFunction(_ x: Tensor, tokens: TokenBatch, angles: RotaryAngles, layer: Int, cache: KeyValueCache?) -> Tensor {
        let (B, T, H) = (x.shape[0], x.shape[1], configuration.headWidth)
        let q = query(x).reshaped(B, T, configuration.heads, H).rotated(angles)  // [B, T, N, H]
        var k = key(x).reshaped(B, T, configuration.keyValueHeads, H).rotated(angles)  // [B, T, G, H]
        var v = value(x).reshaped(B, T, configuration.keyValueHeads, H)
        if let cache { (k, v) = cache.append(layer: layer, key: k, value: v) }
        return output(attention(query: q, key: k, value: v, ranges: tokens.places.ranges).reshaped(B, T, -1))  // [B, T, D]
    }
}

/// The gated feed-forward layer: `down(activation(gate(x)) * up(x))`.
final class LlamaFeedForward: Module {
    @Child("gate_proj") var gate: any LinearLayer
    @Child("up_proj") var up: any LinearLayer
    @Child("down_proj") var down: any LinearLayer
    private let activation: Activation

    init(_ c: LlamaConfiguration) {
        activation = c.activation
        super.init()
        gate = Linear(inFeatures: c.width, outFeatures: c.innerWidth, bias: c.hasFeedForwardBias)
        up = Linear(inFeatures: c.width, outFeatures: c.innerWidth, bias: c.hasFeedForwardBias)
        down = Linear(inFeatures: c.innerWidth, outFeatures: c.width, bias: c.hasFeedForwardBias)
    }

    func callAsFunction(_ x: Tensor) -> Tensor { down(gated(activation, gate: gate(x), up: up(x))) }
}

/// Attention and feed-forward, each on the normed residual stream.
final class LlamaBlock: Module, DecoderBlock {
    @Child("self_attn") var attention: LlamaAttention
    @Child("mlp") var feedForward: LlamaFeedForward
    @Child("input_layernorm") var attentionNorm: RMSNorm
    @Child("post_attention_layernorm") var feedForwardNorm: RMSNorm

    init(_ c: LlamaConfiguration) {
        super.init()
        attention = LlamaAttention(c)
        feedForward = LlamaFeedForward(c)
        attentionNorm = RMSNorm(width: c.width, epsilon: c.normEpsilon)
        feedForwardNorm = RMSNorm(width: c.width, epsilon: c.normEpsilon)
    }

    func callAsFunction(_ x: Tensor, tokens: TokenBatch, angles: RotaryAngles, layer: Int, cache: KeyValueCache?) -> Tensor {
        let attended = x + attention(attentionNorm(x), tokens: tokens, angles: angles, layer: layer, cache: cache)
        return attended + feedForward(feedForwardNorm(attended))
    }
}

/// The stack of blocks between embedding and head.
final class LlamaDecoder: Module {
    @Child("embed_tokens") var embedding: any EmbeddingLayer
    @Children("layers") var blocks: [any DecoderBlock]
    @Child("norm") var norm: RMSNorm

    init(_ c: LlamaConfiguration) {
        super.init()
        embedding = Embedding(vocabularySize: c.vocabularySize, width: c.width)
        blocks = (0..<c.layers).map { _ in LlamaBlock(c) }
        norm = RMSNorm(width: c.width, epsilon: c.normEpsilon)
    }
}

/// A Llama language model. Activations are float32; what products round to is each linear layer's affair.
public final class Llama: Module, CausalLanguageModel {
    @Child("model") var decoder: LlamaDecoder
    @Child("lm_head") public var head: any LinearLayer
    public let configuration: LlamaConfiguration
    public var endTokens: Set<Int32> = []
    private let rotary: RotaryTable

    /// The model without weights, see ``BitsNN/Module/load(from:options:progress:)``.
    public init(_ configuration: LlamaConfiguration) {
        self.configuration = configuration
        rotary = RotaryTable(
            RotaryEmbedding(headWidth: configuration.headWidth, theta: configuration.ropeTheta, scaling: configuration.ropeScaling))
        super.init()
        decoder = LlamaDecoder(configuration)
        head =
            configuration.tiesEmbeddings
            ? TiedLinear(decoder.$embedding)
            : Linear(inFeatures: configuration.width, outFeatures: configuration.vocabularySize, bias: false)
    }

    public var recomputesBlocks = false
    public var vocabularySize: Int { configuration.vocabularySize }
    public var contextLength: Int { configuration.contextLength }
    public var embedding: any EmbeddingLayer { decoder.embedding }
    public override var outputHeads: [any LinearLayer] { [head] }

    public override var checkpointNames: CheckpointNames {
        var names = CheckpointNames()
        // Old checkpoints hold the rotary frequencies; some hold a copy of a head that is tied.
        names.unused = ["rotary_emb.inv_freq"] + (configuration.tiesEmbeddings ? ["lm_head.weight"] : [])
        return names
    }

    public func makeCache(sequences: Int, capacity: Int, dtype: DType) -> KeyValueCache {
        KeyValueCache(
            layers: configuration.layers, sequences: sequences, capacity: capacity, heads: configuration.keyValueHeads,
            headWidth: configuration.headWidth, dtype: dtype, device: embedding.device ?? .cpu)
    }

    public func hiddenStates(_ tokens: TokenBatch, cache: KeyValueCache?) -> Tensor {
        let angles = rotary.angles(at: tokens.places.positions, below: tokens.places.span)
        var x = embedding(tokens.ids, dtype: .float32)  // [B, T, D]
        for (layer, block) in decoder.blocks.enumerated() {
            let run = { [x] in block(x, tokens: tokens, angles: angles, layer: layer, cache: cache) }
            x = recomputesBlocks && cache == nil ? checkpointed(run) : run()  // a cache takes what it is given once
        }
        return decoder.norm(x)
    }
}
