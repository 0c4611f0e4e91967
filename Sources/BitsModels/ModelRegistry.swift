public import BitsIO
public import BitsNN

/// The model families, by the `model_type` of config.json.
public enum ModelRegistry {
    private typealias Builder = (ModelConfiguration, WeightScope) throws(ModelFileError) -> any CausalLanguageModel

    private static var builders: [String: Builder] {
        ["llama": { (configuration, weights) throws(ModelFileError) in Llama(try LlamaConfiguration(configuration), from: weights) }]
    }

    /// The names of all families, sorted.
    public static var families: [String] { builders.keys.sorted() }

    /// The model that `configuration` describes, with its weights from `source`.
    ///
    /// - Throws: ``ModelFileError`` for an unknown family or a configuration that is not in order.
    public static func model(_ configuration: ModelConfiguration, from source: any WeightSource) throws(ModelFileError) -> any CausalLanguageModel {
        guard let build = builders[configuration.modelType] else {
            throw .unsupported(
                path: configuration.fields.path,
                "has model_type '\(configuration.modelType)'; the families that can be loaded are \(families.joined(separator: ", "))")
        }
        return try build(configuration, WeightScope(source))
    }
}
