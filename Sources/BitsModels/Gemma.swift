import BitsCore
import BitsIO
import BitsNN

// Gemma 3 (Gemma team 2025, arXiv:2503.19786), the models of text.
// Shapes: B = batch, T = tokens, D = model width, N = heads, G = key and value heads, H = head width, F = inner width, V = vocabulary.

/// The sizes and constants of a Gemma model.
struct GemmaConfiguration {
    /// What Gemma has in common with Llama; the angles are those of layers without a window.
    var sizes: LlamaConfiguration
    /// The angles of layers with a window.
    var windowRotary: RotaryEmbedding
    /// Multiplies the products of queries and keys.
    var scale: Float
    /// What the head's scores cannot pass, either way; nil where nothing bounds them.
    var headCap: Float?

    /// Reads the fields of `gemma3_text`.
    init(gemma3 configuration: ModelConfiguration) throws(ModelFileError) {
        let fields = configuration.fields
        var sizes = try LlamaConfiguration(configuration, usualHeadWidth: 256)
        sizes.activation = try fields.activation("hidden_activation", default: "gelu_pytorch_tanh")
        sizes.normsQueriesAndKeys = true
        sizes.window = try fields.count("sliding_window", orUnlessNull: 4096)
        let pattern = try fields.count("sliding_window_pattern", default: 6)
        sizes.windowlessLayers = try fields.fullLayers(of: sizes.layers) { ($0 + 1) % pattern == 0 }
        let nested = try fields.section("rope_parameters")
        let whole = try fields.contains("rope_scaling") ? fields.section("rope_scaling") : nested?.section("full_attention")
        let (headWidth, context) = (sizes.headWidth, sizes.contextLength)
        sizes.rotary = try RotaryEmbedding(whole, in: fields, headWidth: headWidth, contextLength: context, theta: 1_000_000)
        windowRotary = try RotaryEmbedding(
            nested?.section("sliding_attention"), in: fields, headWidth: headWidth, contextLength: context, theta: 10_000,
            thetaKey: "rope_local_base_freq")
        self.sizes = sizes
        scale = 1 / (try fields.positive("query_pre_attn_scalar", default: 256)).squareRoot()
        headCap = try fields.positive("final_logit_softcapping", orUnlessNull: nil)
        if try fields.value("use_bidirectional_attention", default: false) {
            throw .unsupported(path: fields.path, "has use_bidirectional_attention true; a model that predicts the next token was expected")
        }
        if let cap = try fields.positive("attn_logit_softcapping", orUnlessNull: nil) {
            throw .unsupported(path: fields.path, "has attn_logit_softcapping \(cap); bounded scores of attention are not implemented")
        }
    }

    /// A norm whose weight lies around 0 in files.
    func norm(_ width: Int) -> RMSNorm { RMSNorm(width: width, epsilon: sizes.normEpsilon, offset: 1) }
}

/// Grouped-query attention with normed queries and keys, over a window in most layers.
final class GemmaAttention: Module {
    @Child("q_proj") var query: any LinearLayer
    @Child("k_proj") var key: any LinearLayer
    @Child("v_proj") var value: any LinearLayer
    @Child("o_proj") var output: any LinearLayer
    @Child("q_norm") var queryNorm: RMSNorm
    @Child("k_norm") var keyNorm: RMSNorm
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
        queryNorm = c.norm(s.headWidth)
        keyNorm = c.norm(s.headWidth)
    }

    func callAsFunction(_ x: Tensor, _ pass: DecoderPass, layer: Int) -> Tensor {
        let (B, T, s) = (x.shape[0], x.shape[1], configuration.sizes)
        let q = queryNorm(query(x).reshaped(B, T, s.heads, s.headWidth))  // [B, T, N, H]
        let k = keyNorm(key(x).reshaped(B, T, s.keyValueHeads, s.headWidth))  // [B, T, G, H]
        let v = value(x).reshaped(B, T, s.keyValueHeads, s.headWidth)
        let options = AttentionOptions(scale: configuration.scale, window: s.window(layer: layer))
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
        let (whole, windowed, s) = (RotaryTable(c.sizes.rotary), RotaryTable(c.windowRotary), c.sizes)
        embedding = Embedding(vocabularySize: s.vocabularySize, width: s.width)
        blocks = (0..<s.layers).map { GemmaBlock(c, s.windowlessLayers.contains($0) ? whole : windowed) }
        norm = c.norm(s.width)
    }

    var contextLength: Int { configuration.sizes.contextLength }
    var cacheLayout: CacheLayout? {
        let s = configuration.sizes
        return CacheLayout(
            layers: s.layers, heads: s.keyValueHeads, headWidth: s.headWidth, dependsOnLength: s.rotary.dependsOnLength)
    }

    func hiddenStates(_ tokens: TokenBatch, dtype: DType, cache: KeyValueCache?) -> Tensor {
        let x = embedding(tokens.ids, dtype: dtype) * Float(configuration.sizes.width).squareRoot()  // [B, T, D]
        return norm(DecoderPass(tokens, cache: cache, recomputes: recomputesBlocks).run(blocks, on: x))
    }

    /// Scores over the vocabulary, bounded where the configuration says so.
    static let head = HeadRecipe("") { (configuration, backbone) throws(ModelFileError) in
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

extension ModelFamily {
    static let gemma3 = ModelFamily(
        "gemma3_text", backbone: "model",
        heads: llama.heads.merging([.causalLanguageModeling: Gemma.head]) { _, own in own }
    ) { (configuration) throws(ModelFileError) in Gemma(try GemmaConfiguration(gemma3: configuration)) }
}
