public import BitsCore
public import BitsIO
import BitsModels
import BitsQuant

/// What is in a model's checkpoint.
public struct CheckpointSummary: Sendable {
    /// A linear layer whose weight is in 4 bits.
    public struct QuantizedLayer: Sendable {
        public let path: String
        public let format: FourBitFormat
        public let blockSize: Int
        public let shape: [Int]
        /// The type that was quantized.
        public let dtype: DType
        /// What the codes are stored as.
        public let storage: DType
        /// Of the quantization of the scales; nil where they are float32.
        public let nestedBlockSize: Int?
        /// Codes, scales and their description together.
        public let byteCount: Int

        public var bitsPerWeight: Double { 8 * Double(byteCount) / Double(max(1, shape.reduce(1, *))) }
    }

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
    /// - Throws: ``ModelFileError`` for a folder, a configuration or a checkpoint that is not in order; every broken quantized layer is named.
    public init(_ folder: ModelFolder) throws(ModelFileError) {
        self.folder = folder
        let configuration = try ModelConfiguration(folder)
        modelType = configuration.modelType
        quantization = try configuration.quantization
        let checkpoint = try Checkpoint(folder)
        files = checkpoint.files.map { ($0.file.path, $0.file.byteCount) }
        metadata = checkpoint.files.reduce(into: [:]) { $0.merge($1.metadata) { first, _ in first } }
        entries = checkpoint.names.compactMap { checkpoint[$0] }
        layers = try CheckpointSummary.quantizedLayers(checkpoint, path: folder.description)
        let known = ModelRegistry.families.contains(modelType)
        let quantized = Set(layers.map(\.path))
        keptLayers = known ? try ModelPlan(configuration).layers.map(\.path).filter { !quantized.contains($0) } : nil
        let parts = Set(layers.flatMap { layer in FourBitTensor.suffixes.map { "\(layer.path).weight\($0)" } + ["\(layer.path).weight"] })
        parameterCount =
            entries.filter { !parts.contains($0.name) }.reduce(0) { $0 + $1.shape.reduce(1, *) } + layers.reduce(0) { $0 + $1.shape.reduce(1, *) }
    }

    private static func quantizedLayers(_ checkpoint: Checkpoint, path: String) throws(ModelFileError) -> [QuantizedLayer] {
        var (layers, problems): ([QuantizedLayer], [String]) = ([], [])
        for name in checkpoint.names where name.hasSuffix(".weight") {
            let parts = FourBitTensor.suffixes.filter { checkpoint[name + $0] != nil }
            guard !parts.isEmpty else { continue }
            do {
                let weight = try FourBitTensor { suffix in try checkpoint.tensor(name + suffix) }
                var nested: Int?
                if case .doublyQuantized(let scales) = weight.state.scales { nested = scales.blockSize.count }
                layers.append(
                    QuantizedLayer(
                        path: String(name.dropLast(".weight".count)), format: weight.format, blockSize: weight.state.blockSize.count,
                        shape: weight.shape,
                        dtype: weight.state.dtype, storage: weight.packed.dtype, nestedBlockSize: nested,
                        byteCount: (parts + [""]).reduce(0) { $0 + (checkpoint[name + $1]?.byteCount ?? 0) }))
            } catch { problems.append("'\(name)': \(error)") }
        }
        guard problems.isEmpty else {
            let more = problems.count > 20 ? "\n  and \(problems.count - 20) more" : ""
            throw .malformed(
                path: path, "has quantized layers that cannot be read\n  \(problems.prefix(20).joined(separator: "\n  "))\(more)")
        }
        return layers
    }
}
