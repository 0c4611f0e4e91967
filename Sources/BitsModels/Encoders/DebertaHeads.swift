import BitsCore
import BitsIO
import BitsNN

// Shapes: S = sequences, D = model width, C = labels.

/// The head that scores sequences: a pooler, then a layer to the labels. Checkpoints have both at the top.
final class DebertaClassifier: Module, Head {
    @Child("pooler.dense") var pooler: any LinearLayer
    @Child("classifier") var output: any LinearLayer
    private let activated: (Tensor) -> Tensor

    init(width: Int, labels: Int, activated: @escaping (Tensor) -> Tensor) {
        self.activated = activated
        super.init()
        pooler = Linear(inFeatures: width, outFeatures: width)
        output = Linear(inFeatures: width, outFeatures: labels)
    }

    /// [S, D] to [S, C]
    func scores(_ hidden: Tensor) -> Tensor { output.scores(activated(pooler(hidden))) }
}

extension HeadRecipe {
    /// Scores of the vocabulary. What transformers calls legacy is what models are saved with; the other head is that of the original's pretraining.
    fileprivate static let debertaPredictions = HeadRecipe("") { (configuration, backbone) throws(ModelFileError) in
        if try configuration.fields.value("legacy", default: true) { return try predictions(.bert).make(configuration, backbone) }
        let (sizes, width) = (try EncoderConfiguration(configuration), backbone.embedding.width)
        guard width == sizes.width else {
            throw configuration.fields.error(
                "has embedding_size \(width), which a head with legacy false cannot have beside hidden_size \(sizes.width)")
        }
        let parts = PredictionHead.Parts(path: "lm_predictions.lm_head", transform: "dense", norm: "LayerNorm", keepsTransform: true)
        return PredictionHead(sizes, parts, activation: sizes.activation, tableWidth: width, output: TiedLinear { backbone.embedding })
    }

    /// Scores of sequences.
    fileprivate static let debertaClassifier = HeadRecipe("") { (configuration, _) throws(ModelFileError) in
        let (fields, sizes) = (configuration.fields, try EncoderConfiguration(configuration))
        let width = try fields.count("pooler_hidden_size", default: sizes.width)
        guard width == sizes.width else {
            throw .unsupported(path: fields.path, "has pooler_hidden_size \(width); supported is hidden_size \(sizes.width)")
        }
        let labels = try configuration.labelCount
        if try fields.optional("pooler_hidden_act", as: String.self) == "tanh" {
            return DebertaClassifier(width: width, labels: labels) { $0.tanh() }
        }
        let activation = try fields.activation("pooler_hidden_act", default: "gelu")
        return DebertaClassifier(width: width, labels: labels) { $0.activated(activation) }
    }

    /// Scores of tokens; the table of tokens may be narrower than the model.
    fileprivate static let debertaLabels = HeadRecipe("classifier") { (configuration, _) throws(ModelFileError) in
        Linear(inFeatures: try EncoderConfiguration(configuration).width, outFeatures: try configuration.labelCount)
    }
}

extension ModelFamily {
    static let deberta = ModelFamily(
        "deberta-v2", backbone: "deberta",
        heads: [
            .maskedLanguageModeling: .debertaPredictions, .sequenceClassification: .debertaClassifier, .tokenClassification: .debertaLabels,
        ], summary: .first
    ) { (configuration) throws(ModelFileError) in Deberta(try DebertaConfiguration(configuration)) }
}
