import BitsCore
public import BitsIO
import BitsModels
public import BitsNN

/// What is in a model's checkpoint.
public struct CheckpointSummary: Sendable {
    public let folder: ModelFolder
    public let modelType: String
    /// Names and bytes of the files with weights.
    public let files: [(path: String, byteCount: Int)]
    public let metadata: [String: String]
    /// All entries, by name.
    public let entries: [SafetensorsEntry]
    /// The settings in config.json; nil where there are none.
    public let quantization: BitsAndBytesConfig?
    public let layers: [QuantizedLayer]
    /// Linear layers that are not quantized; nil for a model family that is not known here.
    public let keptLayers: [String]?
    /// How much of the model's linear layers is quantized; nil for a model family that is not known here.
    public let coverage: QuantizationCoverage?
    /// Numbers in the model, quantized ones included.
    public let parameterCount: Int

    public var byteCount: Int { entries.reduce(0) { $0 + $1.byteCount } }

    /// Entries and bytes of each type, most bytes first.
    public var types: [(name: String, tensors: Int, byteCount: Int)] {
        Dictionary(grouping: entries, by: \.typeName).map { ($0, $1.count, $1.reduce(0) { $0 + $1.byteCount }) }
            .sorted { ($1.byteCount, $0.name) < ($0.byteCount, $1.name) }
    }

    /// Reads headers, and the small entries that describe quantized layers.
    ///
    /// - Throws: ``BitsIO/ModelFileError`` for a folder, a configuration or a checkpoint that is not in order; every broken quantized layer is named.
    public init(_ folder: ModelFolder) throws(ModelFileError) {
        self.folder = folder
        let configuration = try ModelConfiguration(folder)
        modelType = configuration.modelType
        quantization = try configuration.quantization
        let checkpoint = try Checkpoint(folder)
        files = checkpoint.files.map { ($0.file.path, $0.file.byteCount) }
        metadata = checkpoint.files.reduce(into: [:]) { $0.merge($1.metadata) { first, _ in first } }
        entries = checkpoint.names.compactMap { checkpoint[$0] }
        let known = ModelRegistry.families.contains(modelType)
        let plan = known ? ModelPlan(try ModelRegistry.model(configuration)) : nil
        let embeddings = Set((plan?.layers ?? []).filter { $0.role == .embedding }.map(\.path))
        layers = try checkpoint.quantizedWeights(in: folder).map {
            QuantizedLayer($0.path, $0.weight, isEmbedding: embeddings.contains($0.path), entries: checkpoint.weightEntries($0.path))
        }
        let quantized = Set(layers.map(\.path))
        keptLayers = plan?.layers.filter { $0.role != .embedding && !quantized.contains($0.path) }.map(\.path)
        coverage = plan.map { QuantizationCoverage($0.layers, quantized: quantized) }
        let parts = Set(layers.flatMap { $0.entries.map(\.name) })
        parameterCount =
            entries.filter { !parts.contains($0.name) }.reduce(0) { $0 + $1.shape.reduce(1, *) } + layers.reduce(0) { $0 + $1.shape.reduce(1, *) }
    }
}
