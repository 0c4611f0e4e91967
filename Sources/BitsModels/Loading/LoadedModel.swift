import BitsCore
public import BitsIO
public import BitsNN

/// A model ready to run, with what its folder says about it.
public struct LoadedModel {
    public let model: any CausalLanguageModel
    public let folder: ModelFolder
    public let configuration: ModelConfiguration
    public let generation: GenerationConfiguration
    public let report: ModelReport
    /// What layers became as they were read.
    let quantization: ModelQuantization

    /// Builds the model of `folder` and fills it from its checkpoint, layer by layer: never more in memory than the model as asked for and one tensor.
    ///
    /// What a checkpoint says of how it is quantized comes before what `options` say of linear layers.
    ///
    /// - Parameter progress: called with the share of the checkpoint that is done.
    /// - Throws: ``ModelFileError`` for a folder, configuration or checkpoint that is not in order; all tensors that are missing or of the wrong shape are
    ///   named at once.
    public init(
        _ folder: ModelFolder, options: LoadOptions = LoadOptions(), progress: @escaping (Double) -> Void = { _ in }
    ) throws(ModelFileError) {
        self.folder = folder
        configuration = try ModelConfiguration(folder)
        generation = try GenerationConfiguration(folder)
        let stored = StoredQuantization(try configuration.quantization)
        let settled = stored.applied(to: options)
        quantization = settled.quantization
        model = try ModelRegistry.model(configuration)
        model.endTokens = Set(generation.endTokens)
        var report = try LoadedModel.fill(
            model, from: CheckpointSource(try Checkpoint(folder)), options: settled, path: folder.description, progress: progress)
        report.notes += stored.notes(report, asked: options.quantization) + generation.warnings(vocabularySize: model.vocabularySize)
        self.report = report
    }

    private static func fill(
        _ model: any CausalLanguageModel, from source: CheckpointSource, options: LoadOptions, path: String, progress: @escaping (Double) -> Void
    ) throws(ModelFileError) -> ModelReport {
        do {
            return try model.load(from: source, options: options, progress: progress)
        } catch let error as LayerError {
            throw .problems(error.lines, path: path, "the checkpoint does not fit config.json; download or convert the model again")
        } catch let error as ModelFileError {
            throw error
        } catch let error as DeviceError {
            throw .device(error)
        } catch {
            throw .malformed(path: path, "\(error)")
        }
    }
}
