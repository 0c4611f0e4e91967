import BitsCore
import BitsIO
import BitsNN

// Phi 3, 3.5 and 4 (Abdin et al. 2024, arXiv:2404.14219): Llama whose projections are joined.
// Shapes: B = batch, T = tokens, D = model width, N = heads, G = key and value heads, H = head width, F = inner width.

/// Grouped-query attention whose queries, keys and values come from one projection.
final class Phi3Attention: Module {
    @Child("o_proj") var output: any LinearLayer
    @Child("qkv_proj") var projection: any LinearLayer
    private let configuration: LlamaConfiguration
    private let rotary: RotaryTable

    init(_ c: LlamaConfiguration, _ rotary: RotaryTable) {
        configuration = c
        self.rotary = rotary
        super.init()
        output = Linear(inFeatures: c.heads * c.headWidth, outFeatures: c.width, bias: false)
        projection = Linear(inFeatures: c.width, outFeatures: (c.heads + 2 * c.keyValueHeads) * c.headWidth, bias: false)
    }

    func callAsFunction(_ x: Tensor, _ pass: DecoderPass, layer: Int) -> Tensor {
        let (B, T, N, G) = (x.shape[0], x.shape[1], configuration.heads, configuration.keyValueHeads)
        let joined = projection(x).reshaped(B, T, N + 2 * G, configuration.headWidth)  // [B, T, N + 2 G, H]
        let query = joined.narrowed(axis: 2, to: 0..<N)
        let (key, value) = (joined.narrowed(axis: 2, to: N..<N + G), joined.narrowed(axis: 2, to: N + G..<N + 2 * G))
        let options = AttentionOptions(window: configuration.window(layer: layer))
        return output(
            pass.attended(query: pass.rotated(query, rotary), key: pass.rotated(key, rotary), value: value, layer: layer, options: options))
    }
}

/// The gated feed-forward layer with gate and up in one projection.
final class Phi3FeedForward: Module {
    @Child("gate_up_proj") var gateAndUp: any LinearLayer
    @Child("down_proj") var down: any LinearLayer
    private let configuration: LlamaConfiguration

    init(_ c: LlamaConfiguration) {
        configuration = c
        super.init()
        gateAndUp = Linear(inFeatures: c.width, outFeatures: 2 * c.innerWidth, bias: false)
        down = Linear(inFeatures: c.innerWidth, outFeatures: c.width, bias: false)
    }

    func callAsFunction(_ x: Tensor) -> Tensor {
        let (joined, F) = (gateAndUp(x), configuration.innerWidth)  // [B, T, 2 F]
        return down(gated(configuration.activation, gate: joined.narrowed(axis: 2, to: 0..<F), up: joined.narrowed(axis: 2, to: F..<2 * F)))
    }
}

/// Attention and feed-forward, each on the normed residual stream.
final class Phi3Block: Module, DecoderBlock {
    @Child("self_attn") var attention: Phi3Attention
    @Child("mlp") var feedForward: Phi3FeedForward
    @Child("input_layernorm") var attentionNorm: RMSNorm
    @Child("post_attention_layernorm") var feedForwardNorm: RMSNorm

    init(_ c: LlamaConfiguration, _ rotary: RotaryTable) {
        super.init()
        attention = Phi3Attention(c, rotary)
        feedForward = Phi3FeedForward(c)
        attentionNorm = RMSNorm(width: c.width, epsilon: c.normEpsilon)
        feedForwardNorm = RMSNorm(width: c.width, epsilon: c.normEpsilon)
    }

    func callAsFunction(_ x: Tensor, _ pass: DecoderPass, layer: Int) -> Tensor {
        let attended = x + attention(attentionNorm(x), pass, layer: layer)
        return attended + feedForward(feedForwardNorm(attended))
    }
}

extension ModelFamily {
    static let phi3 = ModelFamily("phi3", backbone: "model", heads: llama.heads) { (configuration) throws(ModelFileError) in
        var sizes = try LlamaConfiguration(configuration, usualNormEpsilon: 1e-5, rotatesInPart: true)
        sizes.window = try configuration.fields.count("sliding_window", orUnlessNull: nil)
        return Llama(sizes) { _, rotary in Phi3Block(sizes, rotary) }
    }
}
