public import BitsCore
public import BitsIO

/// The sizes and constants that encoders of BERT's kind have in common; see ``init(_:defaults:)`` for the checkpoint's `config.json`.
public struct EncoderConfiguration: Sendable, Equatable {
    /// V, tokens in the vocabulary.
    public var vocabularySize: Int
    /// D, the width of the residual stream.
    public var width: Int
    /// F, the width inside the feed-forward layer.
    public var innerWidth: Int
    /// The number of blocks.
    public var layers: Int
    /// N, heads of attention; divides D.
    public var heads: Int
    /// Rows of the table of positions.
    public var positions: Int
    /// Kinds of segments; 0 where the model knows none.
    public var segments: Int
    /// Added to the variance in norms.
    public var normEpsilon: Float
    /// Of the feed-forward layers.
    public var activation: Activation = .gelu
    /// The row of the table of positions for a sequence's first token.
    public var firstPosition = 0

    public init(
        vocabularySize: Int, width: Int, innerWidth: Int, layers: Int, heads: Int, positions: Int = 512, segments: Int = 2, normEpsilon: Float = 1e-12
    ) {
        (self.vocabularySize, self.width, self.innerWidth, self.layers) = (vocabularySize, width, innerWidth, layers)
        (self.heads, self.positions, self.segments, self.normEpsilon) = (heads, positions, segments, normEpsilon)
    }

    /// H, the width of a head.
    public var headWidth: Int { width / heads }
    /// Tokens that the model was made for.
    public var contextLength: Int { positions - firstPosition }
}

extension EncoderConfiguration {
    /// What config.json means where it does not say, which differs from family to family.
    public struct Defaults: Sendable {
        public var segments: Int
        public var normEpsilon: Float

        public init(segments: Int = 2, normEpsilon: Float = 1e-12) { (self.segments, self.normEpsilon) = (segments, normEpsilon) }
    }

    /// Reads the fields that BERT, RoBERTa and DeBERTa have in common.
    ///
    /// - Throws: ``BitsIO/ModelFileError/malformed(path:_:)`` for a missing or ill-typed field, a size that no model has, heads that do not divide the width;
    ///   ``BitsIO/ModelFileError/unsupported(path:_:)`` for an activation that is not implemented, or a model that is made to decode.
    public init(_ configuration: ModelConfiguration, defaults: Defaults = Defaults()) throws(ModelFileError) {
        let fields = configuration.fields
        self.init(
            vocabularySize: try fields.requireCount("vocab_size"), width: try fields.requireCount("hidden_size"),
            innerWidth: try fields.requireCount("intermediate_size"), layers: try fields.requireCount("num_hidden_layers"),
            heads: try fields.requireCount("num_attention_heads"), positions: try fields.count("max_position_embeddings", default: 512),
            segments: try fields.value("type_vocab_size", default: defaults.segments),
            normEpsilon: try fields.positive("layer_norm_eps", default: defaults.normEpsilon))
        try fields.check([
            ("vocab_size", vocabularySize, 1 << 26), ("hidden_size", width, 1 << 20), ("intermediate_size", innerWidth, 1 << 24),
            ("num_hidden_layers", layers, 1 << 12), ("num_attention_heads", heads, 1 << 16), ("max_position_embeddings", positions, 1 << 26),
            ("type_vocab_size", segments, 1 << 20),
        ])
        if segments < 0 { throw fields.error("needs a whole number from 0 as 'type_vocab_size'; it has \(segments)") }
        _ = try fields.headWidth(of: width, "hidden_size", heads: heads, "num_attention_heads")
        activation = try fields.activation("hidden_act", default: "gelu")
        if try fields.value("is_decoder", default: false) {
            throw .unsupported(path: fields.path, "has is_decoder true; models of this family are read as encoders alone")
        }
    }
}
