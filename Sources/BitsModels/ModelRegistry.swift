public import BitsIO
import BitsNN

/// The model families, by the `model_type` of config.json.
public enum ModelRegistry {
    private typealias Builder = (ModelConfiguration) throws(ModelFileError) -> any CausalLanguageModel

    private static var builders: [String: Builder] {
        ["llama": { (configuration) throws(ModelFileError) in Llama(try LlamaConfiguration(configuration)) }]
    }

    /// The names of all families, sorted.
    public static var families: [String] { builders.keys.sorted() }

    /// The model that `configuration` describes, without weights: see ``BitsNN/Module/load(from:options:progress:)``.
    ///
    /// - Throws: ``ModelFileError`` for an unknown family or a configuration that is not in order.
    public static func model(_ configuration: ModelConfiguration) throws(ModelFileError) -> any CausalLanguageModel {
        guard let build = builders[configuration.modelType] else {
            throw .unsupported(
                path: configuration.fields.path,
                "has model_type '\(configuration.modelType)'; the families that can be loaded are \(families.joined(separator: ", "))")
        }
        return try build(configuration)
    }
}
