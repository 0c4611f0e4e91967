public import BitsIO
public import BitsNN

/// What a model is made for.
public enum ModelTask: String, Sendable, CaseIterable {
    case causalLanguageModeling = "causal language modelling"
    case maskedLanguageModeling = "masked language modelling"
    case sequenceClassification = "sequence classification"
    case tokenClassification = "token classification"
    /// Hidden states, without a head.
    case featureExtraction = "feature extraction"

    /// How transformers' classes are called that are made for each task: the usual ending first, and one that is the end of another behind that.
    private static let endings: [(text: String, task: ModelTask)] = [
        ("ForCausalLM", .causalLanguageModeling), ("LMHeadModel", .causalLanguageModeling), ("ForMaskedLM", .maskedLanguageModeling),
        ("ForPreTraining", .maskedLanguageModeling), ("ForSequenceClassification", .sequenceClassification),
        ("ForTokenClassification", .tokenClassification), ("Model", .featureExtraction),
    ]

    /// The task of an entry of `architectures` in config.json: `LlamaForCausalLM`, `GPT2LMHeadModel`, `BertModel`, ...; nil for another one.
    init?(architecture: String) {
        guard let task = ModelTask.endings.first(where: { architecture.hasSuffix($0.text) })?.task else { return nil }
        self = task
    }

    /// The class for this task beside one for another: `BertForTokenClassification` for `BertModel`; nil where that is of no known kind.
    func architecture(like other: String) -> String? {
        guard let known = ModelTask.endings.first(where: { other.hasSuffix($0.text) }), let own = ModelTask.endings.first(where: { $0.task == self })
        else { return nil }
        return known.task == self ? other : other.dropLast(known.text.count) + own.text
    }

    /// A model without weights of these parts.
    func model(_ parts: TaskParts) -> BackboneModel {
        switch self {
        case .featureExtraction: FeatureExtractor(parts)
        case .causalLanguageModeling: CausalLanguageModel(parts)
        case .maskedLanguageModeling: MaskedLanguageModel(parts)
        case .sequenceClassification: SequenceClassifier(parts)
        case .tokenClassification: TokenClassifier(parts)
        }
    }
}

/// The token whose hidden state stands for its sequence.
public enum SummaryToken: Sendable {
    /// Where tokens see the whole sequence.
    case first
    /// Where they see what is before them.
    case last
}

/// What a model for a task is made of, with the names in its checkpoints.
public struct TaskParts {
    let backbone: any Backbone
    let backboneName: String
    /// nil for a model without one.
    let head: (any Head)?
    let headName: String
    let summary: SummaryToken

    /// - Parameter headName: empty for a head whose entries have names of their own at the top of a checkpoint.
    public init(backbone: any Backbone, named backboneName: String, head: any Head, named headName: String, summary: SummaryToken = .last) {
        (self.backbone, self.backboneName, self.head, self.headName, self.summary) = (backbone, backboneName, head, headName, summary)
    }

    /// Without a head.
    ///
    /// - Parameter backboneName: what stands before its entries in checkpoints with one.
    public init(backbone: any Backbone, named backboneName: String, summary: SummaryToken = .last) {
        (self.backbone, self.backboneName, head, headName, self.summary) = (backbone, backboneName, nil, "", summary)
    }
}

/// A model for a task that a configuration describes.
public protocol RegisteredTask: BackboneModel {
    static var task: ModelTask { get }
    init(_ parts: TaskParts)
}

extension RegisteredTask {
    /// The model that `configuration` describes, without weights: see ``BitsNN/Module/load(from:options:progress:)``.
    ///
    /// - Throws: ``ModelFileError`` for an unknown family, one that is not made for the task, or a configuration that is not in order.
    public init(_ configuration: ModelConfiguration) throws(ModelFileError) {
        self.init(try ModelRegistry.family(of: configuration).parts(Self.task, configuration))
    }
}
