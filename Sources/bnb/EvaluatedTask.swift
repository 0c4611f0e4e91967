import ArgumentParser
import BitsIO
import BitsModels

/// What `bnb evaluate` has a model do.
enum EvaluatedTask: String, ExpressibleByArgument, CaseIterable {
    case causal, masked, sequences, tokens

    /// What the model of `configuration` is made for.
    init(_ configuration: ModelConfiguration) throws(ModelFileError) {
        let task = (type(of: try ModelRegistry.model(configuration)) as? any RegisteredTask.Type)?.task
        switch task {
        case .causalLanguageModeling: self = .causal
        case .maskedLanguageModeling: self = .masked
        case .sequenceClassification: self = .sequences
        case .tokenClassification: self = .tokens
        case .featureExtraction, nil:
            throw .unsupported(
                path: configuration.fields.path,
                "is a model for \(task?.rawValue ?? "no task"), which is not evaluated; name one of the others as --task")
        }
    }
}

extension Tokenizer {
    /// The token that stands where a text is masked.
    ///
    /// - Throws: ``ModelFileError/unsupported(path:_:)`` where `tokenizer_config.json` names none and there is none of the usual ones.
    func maskToken(_ folder: ModelFolder) throws(ModelFileError) -> Int32 {
        var names = ["[MASK]", "<mask>"]
        if let file = try folder.fileIfPresent("tokenizer_config.json") {
            switch try ConfigurationFields(file).object["mask_token"] {
            case .string(let name): names.insert(name, at: 0)
            case .object(let object): if case .string(let name) = object["content"] { names.insert(name, at: 0) }
            default: break
            }
        }
        if let id = names.lazy.compactMap(id(of:)).first { return id }
        throw .unsupported(path: folder.description, "has a tokenizer without a token that masks; name a model of masked language modelling")
    }
}
