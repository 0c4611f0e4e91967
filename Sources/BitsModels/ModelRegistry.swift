public import BitsIO
internal import Synchronization

/// The model families, by the `model_type` of config.json.
public enum ModelRegistry {
    private static let builtIn: [ModelFamily] = [
        .bert, .bloom, .deberta, .gemma2, .gemma3, .gpt2, .llama, .mistral, .mixtral, .opt, .phi3, .qwen2, .qwen3, .qwen3Experts, .roberta,
        .xlmRoberta,
    ]
    private static let known = Mutex(Dictionary(uniqueKeysWithValues: builtIn.map { ($0.name, $0) }))

    /// Adds a family; one of the same name gives way to it. Models that are built already stay as they are.
    public static func register(_ family: ModelFamily) { known.withLock { $0[family.name] = family } }

    /// The names of all families, sorted.
    public static var families: [String] { known.withLock { $0.keys.sorted() } }

    /// The family of the model that `configuration` describes.
    ///
    /// - Throws: ``BitsIO/ModelFileError/unsupported(path:_:)`` for an unknown one.
    public static func family(of configuration: ModelConfiguration) throws(ModelFileError) -> ModelFamily {
        if let family = known.withLock({ $0[configuration.modelType] }) { return family }
        throw .unsupported(
            path: configuration.fields.path,
            "has model_type '\(configuration.modelType)'; the families that can be loaded are \(families.joined(separator: ", "))")
    }

    /// The model that `configuration` describes, without weights: see ``BitsNN/Module/load(from:options:progress:)``. Its task is that of `architectures`,
    /// or the first that the family is made for.
    ///
    /// - Throws: ``BitsIO/ModelFileError`` for an unknown family, one that is not made for the task, or a configuration that is not in order.
    public static func model(_ configuration: ModelConfiguration) throws(ModelFileError) -> BackboneModel {
        let family = try family(of: configuration)
        let named = try configuration.fields.optional("architectures", as: [String].self)?.lazy.compactMap(ModelTask.init(architecture:)).first
        guard let task = named ?? family.tasks.first else {
            throw .unsupported(path: configuration.fields.path, "has model_type '\(family.name)', which is made for no task")
        }
        return task.model(try family.parts(task, configuration))
    }
}
