public import BitsIO
public import BitsNN

/// Models that are built alike: how their `config.json` is read, their backbone made, and what heads their checkpoints have.
///
/// ```swift
/// ModelRegistry.register(ModelFamily("mine", backbone: "model", heads: [.causalLanguageModeling: .vocabulary()]) { _ in MyBackbone() })
/// ```
/// What is particular about the names in its files is said by the backbone, see ``BitsNN/Module/checkpointNames``.
public struct ModelFamily: Sendable {
    public typealias MakeBackbone = @Sendable (ModelConfiguration) throws(ModelFileError) -> any Backbone
    public typealias MakeBackboneForTask = @Sendable (ModelConfiguration, ModelTask) throws(ModelFileError) -> any Backbone

    /// `model_type` in config.json.
    public let name: String
    /// Under which name a checkpoint with a head has the backbone's entries: `model`, `transformer`, ...
    public let backboneName: String
    /// The tasks that the family is made for, with their heads.
    public let heads: [ModelTask: HeadRecipe]
    /// The token that stands for its sequence in classification.
    public let summary: SummaryToken
    private let makeBackbone: MakeBackboneForTask

    public init(
        _ name: String, backbone: String, heads: [ModelTask: HeadRecipe], summary: SummaryToken = .last, makeBackbone: @escaping MakeBackbone
    ) {
        self.init(name, backbone: backbone, heads: heads, summary: summary) { (configuration, _) throws(ModelFileError) in
            try makeBackbone(configuration)
        }
    }

    /// A family whose backbone is not the same for every task: BERT has a pooler where a sequence is to be one vector.
    public init(
        _ name: String, backbone: String, heads: [ModelTask: HeadRecipe], summary: SummaryToken = .last,
        makeBackboneForTask: @escaping MakeBackboneForTask
    ) {
        self.name = name
        backboneName = backbone
        self.heads = heads
        self.summary = summary
        makeBackbone = makeBackboneForTask
    }

    /// What the model of `configuration` is made of, without weights.
    ///
    /// - Throws: ``BitsIO/ModelFileError`` for a task that the family is not made for, or a configuration that is not in order.
    public func parts(_ task: ModelTask, _ configuration: ModelConfiguration) throws(ModelFileError) -> TaskParts {
        if task == .featureExtraction {
            return TaskParts(backbone: try makeBackbone(configuration, task), named: backboneName, summary: summary)
        }
        guard let recipe = heads[task] else {
            let known = tasks.map(\.rawValue).joined(separator: ", ")
            throw .unsupported(path: configuration.fields.path, "has model_type '\(name)', which is not made for \(task.rawValue), but for \(known)")
        }
        let backbone = try makeBackbone(configuration, task)
        let head = try recipe.make(configuration, backbone)
        return TaskParts(backbone: backbone, named: backboneName, head: head, named: recipe.name, summary: summary)
    }

    /// The tasks that the family is made for with a head, in order; without one it gives features.
    public var tasks: [ModelTask] { ModelTask.allCases.filter { heads[$0] != nil } }
}

/// How a family's head for a task is made, and what it is called in checkpoints.
public struct HeadRecipe: Sendable {
    public typealias Make = @Sendable (ModelConfiguration, any Backbone) throws(ModelFileError) -> any Head

    let name: String
    let make: Make

    /// A head of a family's own kind.
    public init(_ name: String, make: @escaping Make) {
        self.name = name
        self.make = make
    }

    /// Scores over the vocabulary by one linear layer, or by the embedding's table where config.json has `tie_word_embeddings`.
    ///
    /// - Parameter tiesUnlessTold: whether the table is shared where config.json does not say.
    public static func vocabulary(_ name: String = "lm_head", bias: Bool = false, tiesUnlessTold: Bool = false) -> HeadRecipe {
        HeadRecipe(name) { (configuration, backbone) throws(ModelFileError) in
            let ties = try configuration.fields.value("tie_word_embeddings", default: tiesUnlessTold)
            return backbone.vocabularyHead(ties: ties, bias: bias)
        }
    }

    /// Scores over the labels of config.json by one linear layer.
    public static func labels(_ name: String, bias: Bool) -> HeadRecipe {
        HeadRecipe(name) { (configuration, backbone) throws(ModelFileError) in
            Linear(inFeatures: backbone.embedding.width, outFeatures: try configuration.labelCount, bias: bias)
        }
    }
}

extension Backbone {
    /// Scores over the vocabulary by one linear layer, or by the embedding's table.
    public func vocabularyHead(ties: Bool, bias: Bool = false) -> any LinearLayer {
        ties ? TiedLinear { self.embedding } : Linear(inFeatures: embedding.width, outFeatures: embedding.vocabularySize, bias: bias)
    }
}
