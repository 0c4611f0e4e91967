public import BitsIO
public import BitsNN

/// What a model is made for.
public enum ModelTask: String, Sendable, CaseIterable {
    case causalLanguageModeling = "causal language modelling"
    case maskedLanguageModeling = "masked language modelling"
    case sequenceClassification = "sequence classification"
    case tokenClassification = "token classification"

    /// The task of an entry of `architectures` in config.json: `LlamaForCausalLM`, `GPT2LMHeadModel`, ...; nil for one without a head.
    init?(architecture: String) {
        let endings: [(String, ModelTask)] = [
            ("ForCausalLM", .causalLanguageModeling), ("LMHeadModel", .causalLanguageModeling), ("ForMaskedLM", .maskedLanguageModeling),
            ("ForSequenceClassification", .sequenceClassification), ("ForTokenClassification", .tokenClassification),
        ]
        guard let task = endings.first(where: { architecture.hasSuffix($0.0) })?.1 else { return nil }
        self = task
    }

    /// A model without weights of these parts.
    func model(_ parts: TaskParts) -> TaskModel {
        switch self {
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
    let head: any Head
    let headName: String
    let summary: SummaryToken

    public init(backbone: any Backbone, named backboneName: String, head: any Head, named headName: String, summary: SummaryToken = .last) {
        (self.backbone, self.backboneName, self.head, self.headName, self.summary) = (backbone, backboneName, head, headName, summary)
    }
}

/// A model for a task that a configuration describes.
public protocol RegisteredTask: TaskModel {
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
