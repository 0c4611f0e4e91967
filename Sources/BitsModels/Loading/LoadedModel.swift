public import BitsIO

/// A model ready to run, with what its folder says about it.
public struct LoadedModel {
    public let model: any CausalLanguageModel
    public let configuration: ModelConfiguration
    public let generation: GenerationConfiguration
    public let report: LoadReport

    /// Builds the model of `folder` and fills it from its checkpoint, layer by layer: never more in memory than the model as asked for and one tensor.
    ///
    /// - Throws: ``ModelFileError`` for a folder, configuration or checkpoint that is not in order; all tensors that are missing or of the wrong shape are
    ///   named at once.
    public init(_ folder: ModelFolder, options: LoadOptions = LoadOptions()) throws(ModelFileError) {
        configuration = try ModelConfiguration(folder)
        generation = try GenerationConfiguration(folder)
        let stored = try configuration.quantization
        let quantization = stored ?? options.quantization
        if quantization?.loadIn8Bit == true {
            throw .unsupported(
                path: folder.description, "8 bits (LLM.int8) cannot be loaded yet; load it in 4 bits, or a version that is not quantized")
        }
        let checkpoint = try Checkpoint(folder)
        let plan = try ModelPlan(configuration)
        let source = CheckpointSource(checkpoint, quantization: quantization, keptByDefault: plan.keptByDefault, options: options)
        model = try ModelRegistry.model(configuration, from: source)
        report = source.finish()
        guard source.problems.isEmpty else {
            let listed = source.problems.prefix(20).joined(separator: "\n  ")
            let more = source.problems.count > 20 ? "\n  and \(source.problems.count - 20) more" : ""
            throw .malformed(
                path: folder.description, "the checkpoint does not fit config.json; download or convert the model again\n  \(listed)\(more)")
        }
    }
}
