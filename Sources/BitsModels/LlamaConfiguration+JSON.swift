import BitsCore
public import BitsIO
import BitsNN

extension LlamaConfiguration {
    /// Reads the fields of a Llama `config.json`.
    ///
    /// - Throws: ``BitsIO/ModelFileError/malformed(path:_:)`` for a missing or ill-typed field, heads that do not divide the width, a key head count that does not
    ///   divide the heads; ``BitsIO/ModelFileError/unsupported(path:_:)`` for a rope scaling or an activation that is not implemented.
    public init(_ configuration: ModelConfiguration) throws(ModelFileError) { try self.init(configuration, usualHeadWidth: nil) }

    /// - Parameters:
    ///   - usualHeadWidth: of a family whose heads have a width of their own where config.json does not say; nil for a share of the model's.
    ///   - usualNormEpsilon: where config.json does not say.
    ///   - rotatesInPart: whether the family rotates `partial_rotary_factor` of a head.
    init(
        _ configuration: ModelConfiguration, usualHeadWidth: Int? = nil, usualNormEpsilon: Float = 1e-6, rotatesInPart: Bool = false
    ) throws(ModelFileError) {
        let fields = configuration.fields
        let width = try fields.requireCount("hidden_size")
        let heads = try fields.requireCount("num_attention_heads")
        let keyValueHeads = try fields.count("num_key_value_heads", default: heads)
        let headWidth: Int
        if fields.contains("head_dim") {
            headWidth = try fields.requireCount("head_dim")
        } else if let usualHeadWidth {
            headWidth = usualHeadWidth
        } else {
            headWidth = try fields.headWidth(of: width, "hidden_size", heads: heads, "num_attention_heads")
        }
        if heads % keyValueHeads != 0 {
            throw fields.error("has num_attention_heads \(heads), which num_key_value_heads \(keyValueHeads) does not divide")
        }
        if headWidth % 2 != 0 { throw fields.error("gives heads of width \(headWidth); rotary positions need an even width") }
        self.init(
            vocabularySize: try fields.requireCount("vocab_size"), width: width, innerWidth: try fields.requireCount("intermediate_size"),
            layers: try fields.requireCount("num_hidden_layers"), heads: heads, keyValueHeads: keyValueHeads, headWidth: headWidth,
            contextLength: try fields.count("max_position_embeddings", default: 2048))
        try fields.check([
            ("vocab_size", vocabularySize, 1 << 26), ("hidden_size", width, 1 << 20), ("intermediate_size", innerWidth, 1 << 24),
            ("num_hidden_layers", layers, 1 << 12), ("num_attention_heads", heads, 1 << 16), ("head_dim", headWidth, 1 << 20),
            ("max_position_embeddings", contextLength, 1 << 40),
        ])
        normEpsilon = try fields.positive("rms_norm_eps", default: usualNormEpsilon)
        activation = try fields.activation("hidden_act", default: "silu")
        hasAttentionBias = try fields.value("attention_bias", default: false)
        hasAttentionOutputBias = hasAttentionBias
        hasFeedForwardBias = try fields.value("mlp_bias", default: false)
        rotary = try RotaryEmbedding(fields, headWidth: headWidth, contextLength: contextLength, isPartial: rotatesInPart)
        contextLength = rotary.contextLength(contextLength)
    }
}
