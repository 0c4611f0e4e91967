import BitsCore
public import BitsIO
public import BitsModels
import BitsNN
public import BitsQuant

/// Makes a checkpoint in 4 or 8 bits of one in floating point, with the entries and settings that transformers and bitsandbytes write and read.
/// Entries that the model does not ask for are left out, and named in the report.
///
/// Layers are read and quantized one by one, twice each: once for the scales, whose entries come first in the file, once for the codes. Memory
/// holds the model's scales and one layer.
public struct CheckpointQuantizer {
    public let folder: ModelFolder
    public let blockSize: BlockSize
    private let quantization: BitsAndBytesConfig
    private let configuration: ModelConfiguration
    private let checkpoint: Checkpoint
    private let plan: ModelPlan
    /// The layers that will be quantized.
    private let selected: [ModelPlan.Layer]
    private var report = LoadReport()

    /// Reads the configuration and the checkpoint's headers, and checks that they fit.
    ///
    /// - Parameter quantization: its skip list replaces the default, which keeps the output head and what shares its weight.
    /// - Throws: ``ModelFileError`` for a folder that is not in order; all entries that are missing or of the wrong shape or type are named at once.
    public init(_ folder: ModelFolder, to quantization: BitsAndBytesConfig, blockSize: BlockSize = .fourBitDefault) throws(ModelFileError) {
        precondition(quantization.precision != nil, "a quantizer that quantizes nothing")
        self.folder = folder
        self.quantization = quantization
        self.blockSize = blockSize
        configuration = try ModelConfiguration(folder)
        if let method = try configuration.quantization?.method {
            throw .unsupported(path: folder.description, "is quantized already (\(method)); start from the model's unquantized version")
        }
        plan = try ModelPlan(configuration)
        checkpoint = try Checkpoint(folder)
        var selection = LayerSelection(skipping: quantization.skipModules, keptByDefault: plan.keptByDefault)
        var selected: [ModelPlan.Layer] = []
        for layer in plan.layers {
            if let reason = selection.reasonToKeep(layer.path) { report.kept.append((layer.path, reason)) } else { selected.append(layer) }
        }
        if plan.tiesHead { report.kept.append(ModelPlan.tiedHead) }
        self.selected = selected
        report.unmatchedSkips = selection.unmatchedSkips
        report.quantized = selected.map(\.path)
        report.unused = CheckpointFit.unused(checkpoint, plan: plan)
        report.checkpointByteCount = checkpoint.byteCount
        try CheckpointFit.check(checkpoint, plan: plan, path: folder.description)
    }

    /// Writes the folder `path`: `model.safetensors` or its shards, `config.json` with `quantization_config`, and the tokenizer's files.
    ///
    /// - Parameters:
    ///   - maximumFileByteCount: above it the weights are spread over several files.
    ///   - progress: called with the share of the work that is done.
    /// - Returns: what was quantized, what was kept and why, and what a user should be told.
    /// - Throws: ``ModelFileError`` when the folder exists, cannot be written, or the disk is full. Nothing is left behind then.
    public func write(
        to path: String, maximumFileByteCount: Int = 50_000_000_000, progress: (Double) -> Void = { _ in }
    ) throws(ModelFileError) -> LoadReport {
        var report = report
        let layers = Dictionary(uniqueKeysWithValues: selected.map { ($0.weight.name, $0) })
        let steps = Double(max(1, 2 * selected.count))
        var done = 0.0
        func step() {
            done += 1
            progress(done / steps)
        }

        var announced: [CheckpointLayout.Announcement] = []
        var scales: [String: Tensor] = [:]
        for layer in selected {
            let (entries, nonFinite) = try quantized(layer)
            for entry in entries {
                announced.append((entry.name, entry.tensor.dtype, entry.tensor.shape))
                if entry.name != layer.weight.name { scales[entry.name] = entry.tensor }
            }
            if nonFinite > 0 { report.nonFinite.append((layer.path, nonFinite)) }
            step()
        }
        for entry in plan.entries where layers[entry.name] == nil {
            if let dtype = checkpoint[entry.name]?.dtype { announced.append((entry.name, dtype, entry.shape)) }
        }

        var written = configuration
        written.setQuantization(quantization)
        let rewriter = CheckpointRewriter(folder: folder, checkpoint: checkpoint, configuration: written, tensors: announced)
        report.byteCount = try rewriter.write(to: path, maximumFileByteCount: maximumFileByteCount) { (name) throws(ModelFileError) in
            if let part = scales[name] { return part }
            guard let layer = layers[name] else { return try tensor(name) }
            defer { step() }
            return try quantized(layer).entries[0].tensor
        }
        return report
    }

    /// The entries of a layer's weight, the codes first, and how many of its elements are NaN or infinite.
    private func quantized(_ layer: ModelPlan.Layer) throws(ModelFileError) -> (entries: [(name: String, tensor: Tensor)], nonFinite: Int) {
        let weight = try tensor(layer.weight.name)
        defer { checkpoint.release(layer.weight.name) }
        do {
            let packed = try QuantizedWeight(weight, as: quantization, blockSize: blockSize)
            let nonFinite = try packed.nonFiniteInputCount()
            if nonFinite > 0, try packed.hasInfiniteScale {
                throw ModelFileError.malformed(
                    path: folder.description,
                    "'\(layer.weight.name)' holds numbers too large for \(packed.format): a scale is infinite; skip the layer")
            }
            return (try packed.entries().map { ("\(layer.path).\($0.name)", $0.tensor) }, nonFinite)
        } catch let error as DeviceError {
            throw .device(error)
        } catch let error as ModelFileError {
            throw error
        } catch {
            throw .malformed(path: folder.description, "\(layer.weight.name): \(error)")
        }
    }

    private func tensor(_ name: String) throws(ModelFileError) -> Tensor {
        guard let tensor = try checkpoint.tensor(name) else { throw .malformed(path: folder.description, "'\(name)' is missing") }
        return tensor
    }
}

extension QuantizedWeight {
    /// Whether a number of the weight was infinite (int8: too large for float16), so that readers refuse its scales.
    fileprivate var hasInfiniteScale: Bool {
        get throws(DeviceError) {
            switch self {
            case .fourBit(let weight): try weight.state.scales.floats().floats().contains { !$0.isFinite }
            case .int8(let weight): try weight.scales.floats().contains { !$0.isFinite }
            }
        }
    }
}
