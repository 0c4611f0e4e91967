import BitsCore
import BitsIO
import BitsNN

// Shapes: T = tokens, D = model width, E = width of the table of tokens, V = vocabulary.

/// The head by which encoders say what stood where a text is masked: a layer, its norm, then the table of tokens with a bias for each.
final class PredictionHead: Module, Head {
    @Child var transform: any LinearLayer
    @Child var norm: LayerNorm
    @Child var output: any LinearLayer
    /// [V]; a table of the head's own has its bias itself.
    @Weight var bias: Parameter?
    private let parts: Parts
    private let activation: Activation

    /// What its parts are called in checkpoints.
    struct Parts {
        let path: String
        let transform: String
        let norm: String
        /// Whether transformers takes the first layer for the one that gives the scores, and leaves it as it is for that.
        var keepsTransform = false

        static let bert = Parts(path: "cls.predictions", transform: "transform.dense", norm: "transform.LayerNorm")
    }

    /// - Parameters:
    ///   - tableWidth: E
    ///   - output: what multiplies with the table: ``TiedLinear``, or a layer with a bias.
    init(_ c: EncoderConfiguration, _ parts: Parts, activation: Activation, tableWidth: Int, output: any LinearLayer) {
        (self.parts, self.activation) = (parts, activation)
        (_transform, _norm) = (Child("\(parts.path).\(parts.transform)"), Child("\(parts.path).\(parts.norm)"))
        (_output, _bias) = (Child("\(parts.path).decoder"), Weight("\(parts.path).bias"))
        super.init()
        transform = Linear(inFeatures: c.width, outFeatures: tableWidth)
        norm = LayerNorm(width: tableWidth, epsilon: c.normEpsilon)
        self.output = output
        bias = output is TiedLinear ? .placeholder([c.vocabularySize]) : nil
    }

    override var outputHeads: [any LinearLayer] { parts.keepsTransform ? [transform] : [] }

    override var checkpointNames: CheckpointNames {
        var names = CheckpointNames()
        let (whole, ofLayer) = ("\(parts.path).bias", "\(parts.path).decoder.bias")
        // The bias is in files under either name or both, and a tied table may be there once more.
        names.renamed = bias == nil ? [whole: ofLayer] : [ofLayer: whole]
        names.unused = bias == nil ? [whole] : [ofLayer, "\(parts.path).decoder.weight"]
        return names
    }

    func scores(_ hidden: Tensor) -> Tensor {
        let scores = output.scores(norm(transform(hidden).activated(activation)))  // [.., V]
        return bias.map { scores + $0.tensor } ?? scores
    }
}

extension HeadRecipe {
    /// The head of masked language modelling; its table is the embedding's where config.json has `tie_word_embeddings`, or does not say.
    ///
    /// - Parameter activation: of the head; that of the feed-forward layers unless given.
    static func predictions(_ parts: PredictionHead.Parts, activation: Activation? = nil) -> HeadRecipe {
        HeadRecipe("") { (configuration, backbone) throws(ModelFileError) in
            let (sizes, width) = (try EncoderConfiguration(configuration), backbone.embedding.width)
            let ties = try configuration.fields.value("tie_word_embeddings", default: true)
            let output: any LinearLayer =
                ties ? TiedLinear { backbone.embedding } : Linear(inFeatures: width, outFeatures: sizes.vocabularySize)
            return PredictionHead(sizes, parts, activation: activation ?? sizes.activation, tableWidth: width, output: output)
        }
    }
}
