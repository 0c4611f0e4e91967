public import BitsIO
public import BitsNN

/// A model ready to run, with what its folder says about it.
public struct LoadedModel {
    public let model: CausalLanguageModel
    public let folder: ModelFolder
    public let configuration: ModelConfiguration
    public let generation: GenerationConfiguration
    public let report: ModelReport
    /// What layers became as they were read.
    let quantization: ModelQuantization

    /// The language model of `folder`, as ``RegisteredTask/load(_:configuration:options:newHead:progress:)`` loads it.
    public init(
        _ folder: ModelFolder, options: LoadOptions = LoadOptions(), progress: @escaping (Double) -> Void = { _ in }
    ) throws(ModelFileError) {
        self.folder = folder
        configuration = try ModelConfiguration(folder)
        generation = try GenerationConfiguration(folder)
        quantization = StoredQuantization(try configuration.quantization).applied(to: options).quantization
        let loaded = try CausalLanguageModel.load(folder, options: options, progress: progress)
        model = loaded.model
        model.endTokens = Set(generation.endTokens)
        var report = loaded.report
        report.notes += generation.warnings(vocabularySize: model.vocabularySize)
        self.report = report
    }
}
