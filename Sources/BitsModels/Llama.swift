public import BitsCore
public import BitsNN
import BitsIO

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
    /// How many tokens back a token sees, itself included; nil for all.
    public var window: Int?
    /// The layers whose tokens see all that is before them, whatever the window.
    public var windowlessLayers: Set<Int> = []
    /// Added to the mean square in norms.
    public var normEpsilon: Float = 1e-6
    /// Of the feed-forward layer's gate.
    public var activation: Activation = .silu
    /// The frequencies by which queries and keys are rotated; those of the base 10,000 for whole heads unless given.
    public var rotary: RotaryEmbedding
    /// Whether the projections to queries, keys and values have biases.
    public var hasAttentionBias = false
    /// Whether the projection of what attention gives has one.
    public var hasAttentionOutputBias = false
    /// Whether those of the feed-forward layer have.
    public var hasFeedForwardBias = false
    /// Whether queries and keys are normed, head by head, before they are rotated.
    public var normsQueriesAndKeys = false

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
        rotary = RotaryEmbedding(headWidth: self.headWidth, theta: 10_000)
    }

    /// How many tokens back a token sees in `layer`, itself included; nil for all.
    func window(layer: Int) -> AttentionWindow? { windowlessLayers.contains(layer) ? nil : window.map { .last($0) } }
}

/// Grouped-query attention with rotary positions.
final class LlamaAttention: Module {
    @Child("q_proj") var query: any LinearLayer
    @Child("k_proj") var key: any LinearLayer
    @Child("v_proj") var value: any LinearLayer
    @Child("o_proj") var output: any LinearLayer
    @Child("q_norm") var queryNorm: RMSNorm?
    @Child("k_norm") var keyNorm: RMSNorm?
    private let configuration: LlamaConfiguration
    private let rotary: RotaryTable

    init(_ c: LlamaConfiguration, _ rotary: RotaryTable) {
        configuration = c
        self.rotary = rotary
        super.init()
        let (queryWidth, keyWidth) = (c.heads * c.headWidth, c.keyValueHeads * c.headWidth)
        query = Linear(inFeatures: c.width, outFeatures: queryWidth, bias: c.hasAttentionBias)
        key = Linear(inFeatures: c.width, outFeatures: keyWidth, bias: c.hasAttentionBias)
        value = Linear(inFeatures: c.width, outFeatures: keyWidth, bias: c.hasAttentionBias)
        output = Linear(inFeatures: queryWidth, outFeatures: c.width, bias: c.hasAttentionOutputBias)
        queryNorm = c.normsQueriesAndKeys ? RMSNorm(width: c.headWidth, epsilon: c.normEpsilon) : nil
        keyNorm = c.normsQueriesAndKeys ? RMSNorm(width: c.headWidth, epsilon: c.normEpsilon) : nil
    }

    func callAsFunction(_ x: Tensor, _ pass: DecoderPass, layer: Int) -> Tensor {
        let (B, T, H) = (x.shape[0], x.shape[1], configuration.headWidth)
        var q = query(x).reshaped(B, T, configuration.heads, H)  // [B, T, N, H]
        var k = key(x).reshaped(B, T, configuration.keyValueHeads, H)  // [B, T, G, H]
        let v = value(x).reshaped(B, T, configuration.keyValueHeads, H)
        if let queryNorm, let keyNorm { (q, k) = (queryNorm(q), keyNorm(k)) }
        let options = AttentionOptions(window: configuration.window(layer: layer))
        return output(
            pass.attended(query: pass.rotated(q, rotary), key: pass.rotated(k, rotary), value: v, layer: layer, options: options))  // [B, T, D]
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

    init(_ c: LlamaConfiguration, _ rotary: RotaryTable) {
        super.init()
        attention = LlamaAttention(c, rotary)
        feedForward = LlamaFeedForward(c)
        attentionNorm = RMSNorm(width: c.width, epsilon: c.normEpsilon)
        feedForwardNorm = RMSNorm(width: c.width, epsilon: c.normEpsilon)
    }

    func callAsFunction(_ x: Tensor, _ pass: DecoderPass, layer: Int) -> Tensor {
        let attended = x + attention(attentionNorm(x), pass, layer: layer)
        return attended + feedForward(feedForwardNorm(attended))
    }
}

/// The stack of blocks on the embedding.
public final class Llama: Module, Backbone {
    @Child("embed_tokens") public private(set) var embedding: any EmbeddingLayer
    @Children("layers") var blocks: [any DecoderBlock]
    @Child("norm") var norm: RMSNorm
    public let configuration: LlamaConfiguration
    public var recomputesBlocks = false

    /// The backbone without weights, see ``BitsNN/Module/load(from:options:progress:)``.
    public convenience init(_ c: LlamaConfiguration) { self.init(c) { _, rotary in LlamaBlock(c, rotary) } }

    /// The same of other blocks.
    ///
    /// - Parameter block: makes that of a layer, given the angles that all of them share.
    init(_ c: LlamaConfiguration, block: (_ layer: Int, RotaryTable) -> any DecoderBlock) {
        configuration = c
        super.init()
        let rotary = RotaryTable(c.rotary)
        embedding = Embedding(vocabularySize: c.vocabularySize, width: c.width)
        blocks = (0..<c.layers).map { block($0, rotary) }
        norm = RMSNorm(width: c.width, epsilon: c.normEpsilon)
    }

    public var contextLength: Int { configuration.contextLength }
    public var cacheLayout: CacheLayout? {
        CacheLayout(
            layers: configuration.layers, heads: configuration.keyValueHeads, headWidth: configuration.headWidth,
            lengthDependence: configuration.rotary.lengthDependence)
    }

    public override var checkpointNames: CheckpointNames {
        var names = CheckpointNames()
        names.unused = ["rotary_emb.inv_freq"]  // the frequencies, which old checkpoints hold
        for block in blocks { names.merge(block.checkpointNames) }
        return names
    }

    public func hiddenStates(_ tokens: TokenBatch, dtype: DType, cache: KeyValueCache?) -> Tensor {
        let pass = DecoderPass(tokens, cache: cache, recomputes: recomputesBlocks)
        return norm(pass.run(blocks, on: embedding(tokens.ids, dtype: dtype)))  // [B, T, D]
    }
}

extension Llama {
    /// The language model of `configuration`, without weights.
    ///
    /// - Parameter tiesEmbeddings: whether the output head is the embedding's table.
    public static func languageModel(_ configuration: LlamaConfiguration, tiesEmbeddings: Bool = false) -> CausalLanguageModel {
        let backbone = Llama(configuration)
        return CausalLanguageModel(
            TaskParts(backbone: backbone, named: "model", head: backbone.vocabularyHead(ties: tiesEmbeddings), named: "lm_head"))
    }
}

extension ModelFamily {
    static let llama = ModelFamily(
        "llama", backbone: "model",
        heads: [
            .causalLanguageModeling: .vocabulary(), .sequenceClassification: .labels("score", bias: false),
            .tokenClassification: .labels("score", bias: true),
        ]
    ) { (configuration) throws(ModelFileError) in Llama(try LlamaConfiguration(configuration)) }
}
