import BitsCore
import BitsIO
import BitsNN

// What Gemma 2 and 3 are made of: see Gemma2.swift and Gemma3.swift.
// Shapes: B = batch, T = tokens, D = model width, N = heads, G = key and value heads, H = head width, F = inner width, V = vocabulary.

/// The sizes and constants of a Gemma model; ``init(gemma2:)`` and ``init(gemma3:)`` read them.
struct GemmaConfiguration {
    /// What Gemma has in common with Llama; the angles are those of layers without a window.
    var sizes: LlamaConfiguration
    /// The angles of layers with a window.
    var windowRotary: RotaryEmbedding
    /// Multiplies the products of queries and keys.
    let scale: Float
    /// What the scores of attention cannot pass, either way; nil where nothing bounds them.
    let scoreCap: Float?
    /// What the head's scores cannot pass, either way; nil where nothing bounds them.
    let headCap: Float?

    /// Reads what all generations have, with the same angles in all layers.
    ///
    /// - Parameters:
    ///   - scoreCap: the bound of attention's scores where config.json does not say.
    ///   - headCap: the same of the head's.
    init(_ configuration: ModelConfiguration, scoreCap: Float?, headCap: Float?) throws(ModelFileError) {
        let fields = configuration.fields
        sizes = try LlamaConfiguration(configuration, usualHeadWidth: 256)
        sizes.activation = try fields.activation("hidden_activation", default: "gelu_pytorch_tanh")
        sizes.window = try fields.count("sliding_window", orUnlessNull: 4096)
        windowRotary = sizes.rotary
        scale = 1 / (try fields.positive("query_pre_attn_scalar", default: 256)).squareRoot()
        self.scoreCap = try fields.positive("attn_logit_softcapping", orUnlessNull: scoreCap)
        self.headCap = try fields.positive("final_logit_softcapping", orUnlessNull: headCap)
        if try fields.value("use_bidirectional_attention", default: false) {
            throw .unsupported(path: fields.path, "has use_bidirectional_attention true; a model that predicts the next token was expected")
        }
    }

    /// A norm whose weight lies around 0 in files.
    func norm(_ width: Int) -> RMSNorm { RMSNorm(width: width, epsilon: sizes.normEpsilon, offset: 1) }
}

/// Grouped-query attention over a window in some layers, with bounded scores or with normed queries and keys.
final class GemmaAttention: Module {
    @Child("q_proj") var query: any LinearLayer
    @Child("k_proj") var key: any LinearLayer
    @Child("v_proj") var value: any LinearLayer
    @Child("o_proj") var output: any LinearLayer
    @Child("q_norm") var queryNorm: RMSNorm?
    @Child("k_norm") var keyNorm: RMSNorm?
    private let configuration: GemmaConfiguration
    private let rotary: RotaryTable

    init(_ c: GemmaConfiguration, _ rotary: RotaryTable) {
        configuration = c
        self.rotary = rotary
        super.init()
        let s = c.sizes
        query = Linear(inFeatures: s.width, outFeatures: s.heads * s.headWidth, bias: s.hasAttentionBias)
        key = Linear(inFeatures: s.width, outFeatures: s.keyValueHeads * s.headWidth, bias: s.hasAttentionBias)
        value = Linear(inFeatures: s.width, outFeatures: s.keyValueHeads * s.headWidth, bias: s.hasAttentionBias)
        output = Linear(inFeatures: s.heads * s.headWidth, outFeatures: s.width, bias: s.hasAttentionOutputBias)
        queryNorm = s.normsQueriesAndKeys ? c.norm(s.headWidth) : nil
        keyNorm = s.normsQueriesAndKeys ? c.norm(s.headWidth) : nil
    }

    func callAsFunction(_ x: Tensor, _ pass: DecoderPass, layer: Int) -> Tensor {
        let (B, T, s) = (x.shape[0], x.shape[1], configuration.sizes)
        var q = query(x).reshaped(B, T, s.heads, s.headWidth)  // [B, T, N, H]
        var k = key(x).reshaped(B, T, s.keyValueHeads, s.headWidth)  // [B, T, G, H]
        let v = value(x).reshaped(B, T, s.keyValueHeads, s.headWidth)
        if let queryNorm, let keyNorm { (q, k) = (queryNorm(q), keyNorm(k)) }
        let options = AttentionOptions(scale: configuration.scale, cap: configuration.scoreCap, window: s.window(layer: layer))
        return output(
            pass.attended(query: pass.rotated(q, rotary), key: pass.rotated(k, rotary), value: v, layer: layer, options: options))  // [B, T, D]
    }
}

/// Attention and feed-forward, each between two norms.
final class GemmaBlock: Module, DecoderBlock {
    @Child("self_attn") var attention: GemmaAttention
    @Child("mlp") var feedForward: LlamaFeedForward
    @Child("input_layernorm") var attentionNorm: RMSNorm
    @Child("post_attention_layernorm") var attendedNorm: RMSNorm
    @Child("pre_feedforward_layernorm") var feedForwardNorm: RMSNorm
    @Child("post_feedforward_layernorm") var fedForwardNorm: RMSNorm

    init(_ c: GemmaConfiguration, _ rotary: RotaryTable) {
        super.init()
        attention = GemmaAttention(c, rotary)
        feedForward = LlamaFeedForward(c.sizes)
        attentionNorm = c.norm(c.sizes.width)
        attendedNorm = c.norm(c.sizes.width)
        feedForwardNorm = c.norm(c.sizes.width)
        fedForwardNorm = c.norm(c.sizes.width)
    }

    func callAsFunction(_ x: Tensor, _ pass: DecoderPass, layer: Int) -> Tensor {
        let attended = x + attendedNorm(attention(attentionNorm(x), pass, layer: layer))
        return attended + fedForwardNorm(feedForward(feedForwardNorm(attended)))
    }
}

/// The stack of blocks on the embedding, whose vectors are as long as those in the stream.
final class Gemma: Module, Backbone {
    @Child("embed_tokens") private(set) var embedding: any EmbeddingLayer
    @Children("layers") var blocks: [any DecoderBlock]
    @Child("norm") var norm: RMSNorm
    private let configuration: GemmaConfiguration
    var recomputesBlocks = false

    init(_ c: GemmaConfiguration) {
        configuration = c
        super.init()
        let (s, whole) = (c.sizes, RotaryTable(c.sizes.rotary))
        let windowed = c.windowRotary == s.rotary ? whole : RotaryTable(c.windowRotary)
        embedding = Embedding(vocabularySize: s.vocabularySize, width: s.width)
        blocks = (0..<s.layers).map { GemmaBlock(c, s.windowlessLayers.contains($0) ? whole : windowed) }
        norm = c.norm(s.width)
    }

    var contextLength: Int { configuration.sizes.contextLength }
    var cacheLayout: CacheLayout? {
        let s = configuration.sizes
        return CacheLayout(
            layers: s.layers, heads: s.keyValueHeads, headWidth: s.headWidth, lengthDependence: s.rotary.lengthDependence)
    }

    func hiddenStates(_ tokens: TokenBatch, dtype: DType, cache: KeyValueCache?) -> Tensor {
        let x = embedding(tokens.ids, dtype: dtype) * Float(configuration.sizes.width).squareRoot()  // [B, T, D]
        return norm(DecoderPass(tokens, cache: cache, recomputes: recomputesBlocks).run(blocks, on: x))
    }

    /// As Llama's, but that scores over the vocabulary are bounded where the configuration says so.
    static let heads = ModelFamily.llama.heads.merging([.causalLanguageModeling: head]) { _, own in own }

    private static let head = HeadRecipe("") { (configuration, backbone) throws(ModelFileError) in
        let ties = try configuration.fields.value("tie_word_embeddings", default: true)
        return GemmaHead(backbone.vocabularyHead(ties: ties), cap: (backbone as? Gemma)?.configuration.headCap)
    }
}

/// Scores by one linear layer, none of which passes a bound: `cap * tanh(score / cap)`.
final class GemmaHead: Module, Head {
    @Child("lm_head") var output: any LinearLayer
    private let cap: Float?

    init(_ output: any LinearLayer, cap: Float?) {
        self.cap = cap
        super.init()
        self.output = output
    }

    func scores(_ hidden: Tensor) -> Tensor {
        let scores = output.scores(hidden)  // [.., V]
        return cap.map { (scores / $0).tanh() * $0 } ?? scores
    }
}
