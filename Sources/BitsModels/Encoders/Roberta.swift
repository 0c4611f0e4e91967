import BitsCore
import BitsIO
import BitsNN

// RoBERTa (Liu et al. 2019, arXiv:1907.11692): BERT's layers, positions counted from the one after that of padding, and heads of its own.
// Shapes: S = sequences, D = model width, C = labels.

/// The head that scores sequences: a layer, then one to the labels.
final class RobertaClassifier: Module, Head {
    @Child("dense") var transform: any LinearLayer
    @Child("out_proj") var output: any LinearLayer

    init(width: Int, labels: Int) {
        super.init()
        transform = Linear(inFeatures: width, outFeatures: width)
        output = Linear(inFeatures: width, outFeatures: labels)
    }

    /// `out(tanh(dense(x)))`, [S, D] to [S, C].
    func scores(_ hidden: Tensor) -> Tensor { output.scores(transform(hidden).tanh()) }
}

extension ModelFamily {
    static let roberta = robertaFamily("roberta")
    /// The same in many languages (Conneau et al. 2020, arXiv:1911.02116).
    static let xlmRoberta = robertaFamily("xlm-roberta")

    private static func robertaFamily(_ name: String) -> ModelFamily {
        ModelFamily(
            name, backbone: "roberta",
            heads: [
                .maskedLanguageModeling: .predictions(.init(path: "lm_head", transform: "dense", norm: "layer_norm"), activation: .gelu),
                .sequenceClassification: HeadRecipe("classifier") { (configuration, backbone) throws(ModelFileError) in
                    RobertaClassifier(width: backbone.embedding.width, labels: try configuration.labelCount)
                },
                .tokenClassification: .labels("classifier", bias: true),
            ], summary: .first
        ) { (configuration, task) throws(ModelFileError) in
            let fields = configuration.fields
            var sizes = try EncoderConfiguration(configuration)
            let padding = try fields.value("pad_token_id", default: 1)
            guard padding >= 0, padding < sizes.positions - 1 else {
                throw fields.error("has pad_token_id \(padding), after which max_position_embeddings \(sizes.positions) leaves no position")
            }
            sizes.firstPosition = padding + 1
            return try Bert(sizes, fields, hasPooler: task == .featureExtraction)
        }
    }
}
