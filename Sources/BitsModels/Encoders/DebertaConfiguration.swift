public import BitsIO
import BitsCore

/// The sizes and constants of a DeBERTa model of the second or third version, read from a ``BitsIO/ModelConfiguration`` for a checkpoint.
public struct DebertaConfiguration: Sendable, Equatable {
    /// What it has in common with other encoders.
    public var encoder: EncoderConfiguration
    /// E, the width of the table of tokens.
    public var tableWidth: Int
    /// Whether positions are added to the embeddings.
    public var hasPositions = true
    /// Which parts of attention look at relative positions. Scores are divided by one more than there are, whether or not the model has relative positions.
    public var terms: Set<Term> = []
    /// How relative positions are told apart; nil for a model without.
    public var relative: Relative?
    /// Whether the table of relative positions is normed before use.
    public var normsRelativePositions = false

    public init(_ encoder: EncoderConfiguration) {
        self.encoder = encoder
        tableWidth = encoder.width
    }

    /// A part of the scores that depends on relative positions.
    public enum Term: String, Sendable, CaseIterable {
        /// Queries by the keys of positions.
        case contentToPosition = "c2p"
        /// Keys by the queries of positions.
        case positionToContent = "p2c"
    }

    /// How relative positions are told apart.
    public struct Relative: Sendable, Equatable {
        /// Half the rows of the table of relative positions: distances from -span to span - 1.
        public var span: Int
        /// The distance from which all are the same; nil where every distance up to `span` is one of its own, and farther ones are the same.
        ///
        /// With it half of the span stands for distances one by one, the other half for longer ones on a logarithmic scale.
        public var farthest: Int?
        /// Whether positions are projected by the layers of the contents.
        public var sharesProjections: Bool

        public init(span: Int, farthest: Int? = nil, sharesProjections: Bool = true) {
            (self.span, self.farthest, self.sharesProjections) = (span, farthest, sharesProjections)
        }
    }
}

extension DebertaConfiguration {
    /// Reads the fields of a `config.json` whose `model_type` is `deberta-v2`, which is the third version's too.
    ///
    /// - Throws: ``BitsIO/ModelFileError/malformed(path:_:)`` for a missing or ill-typed field or sizes that do not fit each other;
    ///   ``BitsIO/ModelFileError/unsupported(path:_:)`` for a convolution, heads of another width, or a term of attention that is not implemented.
    public init(_ configuration: ModelConfiguration) throws(ModelFileError) {
        let fields = configuration.fields
        self.init(try EncoderConfiguration(configuration, defaults: .init(segments: 0, normEpsilon: 1e-7)))
        for (key, usual) in [("conv_kernel_size", 0), ("attention_head_size", encoder.headWidth)] {
            let value = try fields.value(key, default: usual)
            guard value == usual else { throw .unsupported(path: fields.path, "has \(key) \(value); supported is \(usual)") }
        }
        tableWidth = try fields.count("embedding_size", default: encoder.width)
        hasPositions = try fields.value("position_biased_input", default: true)
        // The norm is there, and in checkpoints, whether or not there is a table for it.
        normsRelativePositions = try fields.bars(in: fields.value("norm_rel_ebd", default: "none")).contains("layer_norm")
        terms = try Set(fields.attentionTerms())
        guard try fields.value("relative_attention", default: false) else { return }
        // A number below 1 stands for the positions that there are, and for no buckets.
        let stated = try fields.value("max_relative_positions", default: -1)
        let (farthest, buckets) = (stated < 1 ? encoder.positions : stated, try fields.value("position_buckets", default: -1))
        try fields.check([("max_relative_positions", farthest, 1 << 26), ("position_buckets", buckets, 1 << 26)])
        if buckets > 0, buckets < 4 || farthest - 1 <= buckets / 2 {
            throw fields.error("has position_buckets \(buckets) for distances below \(farthest); use 4 or more, and less than twice the distance")
        }
        relative = Relative(
            span: buckets > 0 ? buckets : farthest, farthest: buckets > 0 ? farthest : nil,
            sharesProjections: try fields.value("share_att_key", default: false))
    }
}

extension ConfigurationFields {
    /// `pos_att_type`: a list, or a text with bars between its entries.
    fileprivate func attentionTerms() throws(ModelFileError) -> [DebertaConfiguration.Term] {
        let key = "pos_att_type"
        let names: [String] = if case .string(let text)? = object[key] { bars(in: text) } else { try value(key, default: []) }
        var terms: [DebertaConfiguration.Term] = []
        for name in names {
            guard let term = DebertaConfiguration.Term(rawValue: name) else {
                throw .unsupported(
                    path: path, "has '\(name)' in \(key); supported are \(DebertaConfiguration.Term.allCases.map(\.rawValue).joined(separator: ", "))"
                )
            }
            terms.append(term)
        }
        return terms
    }

    /// The entries of a text with bars between them.
    fileprivate func bars(in text: String) -> [String] {
        text.lowercased().split(separator: "|").map { String($0.filter { $0 != " " }) }
    }
}
