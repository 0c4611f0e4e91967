public import BitsCore
public import BitsIO
import BitsModels
public import BitsNN
import BitsQuant

/// Makes a checkpoint in 4 or 8 bits of one in floating point, with the entries and settings that transformers and bitsandbytes write and read.
/// Entries that the model does not ask for are left out, and named in the report.
///
/// Layers are read and quantized one by one, twice each: once for the scales, whose entries come first in the file, once for the codes. Memory
/// holds the model's scales and one layer.
public struct CheckpointQuantizer {
    public let folder: ModelFolder
    private let configuration: ModelConfiguration
    private let checkpoint: Checkpoint
    private let plan: ModelPlan
    /// Where the checkpoint has the entries of the plan.
    private let places: [String: String]
    /// The layers that will be quantized.
    private let device: Device
    private let selected: [(layer: ModelPlan.Layer, form: Quantization)]
    private var report = ModelReport()
    /// How much of the model's linear layers will be quantized.
    public let coverage: QuantizationCoverage

    /// Reads the configuration and the checkpoint's headers, and checks that they fit.
    ///
    /// - Parameters:
    ///   - quantization: what linear layers become has to be said. Transformers reads no quantized embeddings, and no head in another form than the layers:
    ///     such a checkpoint loads here.
    ///   - device: where weights are quantized; what is written is the same.
    /// - Throws: ``BitsIO/ModelFileError`` for a folder that is not in order; all entries that are missing or of the wrong shape or type are named at once.
    public init(_ folder: ModelFolder, to quantization: ModelQuantization, on device: Device = .cpu) throws(ModelFileError) {
        precondition(quantization.takesLayers, "a quantizer that quantizes no layers")
        self.folder = folder
        self.device = device
        var configuration = try ModelConfiguration(folder)
        if let method = try configuration.quantization?.method {
            throw .unsupported(path: folder.description, "is quantized already (\(method)); start from the model's unquantized version")
        }
        plan = ModelPlan(try ModelRegistry.model(configuration))
        checkpoint = try Checkpoint(folder, for: plan.names)
        places = try CheckpointFit.locate(plan, in: checkpoint, path: folder.description)
        var selection = LayerSelection(quantization)
        var selected: [(layer: ModelPlan.Layer, form: Quantization)] = []
        for layer in plan.layers {
            switch selection.choice(layer) {
            case .quantize(let form): selected.append((layer, form))
            case .keep(let reason):
                let byteCount = checkpoint[places[layer.weight.name] ?? layer.weight.name]?.byteCount ?? 0
                report.kept.append(.init(path: layer.path, reason: reason, byteCount: byteCount))
            case .leave: break
            }
        }
        report.kept += plan.keptHeads(&selection, quantized: selected.map(\.layer))
        report.unmatchedSkips = selection.unmatchedSkips
        coverage = QuantizationCoverage(plan.layers, quantized: Set(selected.map(\.layer.path)))
        report.coverage = coverage
        let used = Set(places.values)
        report.unused = checkpoint.names.filter { [plan] in !used.contains($0) && !plan.names.isUnused($0) }
        report.byteCountBefore = checkpoint.byteCount
        let forms = Dictionary(selected.map { ($0.layer.path, $0.form) }) { first, _ in first }
        configuration.setQuantization(
            try BitsAndBytesConfig(plan, forms: forms, skipping: quantization.skipping, path: folder.description))
        self.configuration = configuration
        self.selected = selected
    }

    /// Writes the folder `path`: `model.safetensors` or its shards, `config.json` with `quantization_config`, and the tokenizer's files.
    ///
    /// - Parameters:
    ///   - maximumFileByteCount: above it the weights are spread over several files.
    ///   - progress: called with the share of the work that is done.
    /// - Returns: what was quantized, what was kept and why, and what a user should be told.
    /// - Throws: ``BitsIO/ModelFileError`` when the folder exists, cannot be written, or the disk is full. Nothing is left behind then.
    public func write(
        to path: String, maximumFileByteCount: Int = 50_000_000_000, progress: (Double) -> Void = { _ in }
    ) throws(ModelFileError) -> ModelReport {
        var report = report
        let forms = Dictionary(uniqueKeysWithValues: selected.map { ($0.layer.weight.name, $0) })
        let steps = Double(max(1, 2 * selected.count))
        var done = 0.0
        func step() {
            done += 1
            progress(done / steps)
        }

        var announced: [CheckpointLayout.Announcement] = []
        var scales: [String: Tensor] = [:]
        for (layer, form) in selected {
            let (entries, nonFinite) = try quantized(layer, form)
            for entry in entries {
                announced.append((entry.name, entry.tensor.dtype, entry.tensor.shape))
                if entry.name != layer.weight.name { scales[entry.name] = entry.tensor }
            }
            report.quantized.append(
                .init(
                    path: layer.path, form: form.formatName, role: layer.role,
                    byteCountBefore: places[layer.weight.name].flatMap { checkpoint[$0]?.byteCount } ?? 0,
                    byteCount: entries.reduce(0) { $0 + $1.tensor.count * $1.tensor.dtype.byteCount }, nonFiniteCount: nonFinite))
            step()
        }
        for entry in plan.entries where forms[entry.name] == nil {
            if let found = places[entry.name].flatMap({ checkpoint[$0] }), let dtype = found.dtype {
                announced.append((entry.name, dtype, found.shape))
            }
        }

        let rewriter = CheckpointRewriter(folder: folder, checkpoint: checkpoint, configuration: configuration, tensors: announced)
        report.byteCount = try rewriter.write(to: path, maximumFileByteCount: maximumFileByteCount) { (name) throws(ModelFileError) in
            if let part = scales[name] { return part }
            guard let (layer, form) = forms[name] else { return try tensor(name) }
            defer { step() }
            return try quantized(layer, form).entries[0].tensor
        }
        return report
    }

    /// The entries of a layer's weight, the codes first, and how many of its elements are NaN or infinite.
    private func quantized(
        _ layer: ModelPlan.Layer, _ form: Quantization
    ) throws(ModelFileError) -> (entries: [(name: String, tensor: Tensor)], nonFinite: Int) {
        let stored = try tensor(layer.weight.name, on: device)
        defer { if let place = places[layer.weight.name] { checkpoint.release(place) } }
        let weight = plan.isTransposed(layer.weight.name) ? stored.transposed().contiguous() : stored
        do {
            let packed = try weight.quantized(as: form)
            try packed.checkScales(of: layer.weight.name, path: folder.description)
            return (try packed.entries(named: "weight").map { ("\(layer.path).\($0.name)", $0.tensor) }, try packed.nonFiniteInputCount())
        } catch {
            throw ModelFileError(error, path: folder.description, part: layer.weight.name)
        }
    }

    private func tensor(_ name: String, on device: Device = .cpu) throws(ModelFileError) -> Tensor {
        guard let tensor = try places[name].flatMap({ place throws(ModelFileError) in try checkpoint.tensor(place, on: device) }) else {
            throw .malformed(path: folder.description, "'\(name)' is missing")
        }
        return tensor
    }
}
