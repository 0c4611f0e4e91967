public import BitsIO

/// A model ready to run, with what its folder says about it.
public struct LoadedModel {
    public let model: any CausalLanguageModel
    public let configuration: ModelConfiguration
    public let generation: GenerationConfiguration
    public let report: LoadReport

    /// Builds the model of `folder` and fills it from its checkpoint, layer by layer: never more in memory than the model as asked for and one tensor.
    ///
    /// - Parameter progress: called with the share of the checkpoint that is done.
    /// - Throws: ``ModelFileError`` for a folder, configuration or checkpoint that is not in order; all tensors that are missing or of the wrong shape are
    ///   named at once.
    public init(
        _ folder: ModelFolder, options: LoadOptions = LoadOptions(), progress: @escaping (Double) -> Void = { _ in }
    ) throws(ModelFileError) {
        configuration = try ModelConfiguration(folder)
        generation = try GenerationConfiguration(folder)
        let stored = try configuration.quantization
        let plan = try ModelPlan(configuration)
        let source = CheckpointSource(
            try Checkpoint(folder), stored: stored, keptByDefault: plan.keptByDefault, options: options, progress: progress)
        model = try ModelRegistry.model(configuration, from: source)
        var report = source.finish()
        report.generationWarnings = generation.warnings(vocabularySize: model.vocabularySize)
        self.report = report
        guard source.problems.isEmpty else {
            throw .problems(
                source.problems, path: folder.description, "the checkpoint does not fit config.json; download or convert the model again")
        }
    }
}
