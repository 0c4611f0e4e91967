import BitsCore
import BitsIO
import BitsNN
import BitsQuant

/// Layers from a checkpoint, quantized one by one as they are read.
///
/// What is wrong with the checkpoint is gathered, so that one error can name it all; a layer that could not be had is stood in for by zeros.
final class CheckpointSource: WeightSource {
    private let checkpoint: Checkpoint
    private let options: LoadOptions
    private let quantization: BitsAndBytesConfig?
    /// Whether `quantization` is the checkpoint's own: its weights come quantized.
    private let isStored: Bool
    /// How config.json says that the checkpoint is quantized.
    private let declared: String?
    private let progress: (Double) -> Void
    private var doneByteCount = 0
    private(set) var report = LoadReport()
    private(set) var problems: [String] = []
    private var used: Set<String> = []
    private var selection: LayerSelection?
    /// Layers that the checkpoint holds quantized in another way than config.json says, by how.
    private var undeclared: [String: [String]] = [:]

    /// - Parameters:
    ///   - stored: what config.json says of the checkpoint; it comes before the quantization in `options`.
    ///   - keptByDefault: of the model that will be built, see ``ModelPlan/keptByDefault``.
    ///   - progress: called with the share of the checkpoint that is done.
    init(
        _ checkpoint: Checkpoint, stored: BitsAndBytesConfig?, keptByDefault: [String: String], options: LoadOptions,
        progress: @escaping (Double) -> Void
    ) {
        self.checkpoint = checkpoint
        self.options = options
        self.progress = progress
        isStored = stored?.precision != nil
        quantization = isStored ? stored : options.quantization
        declared = stored?.method
        selection = LayerSelection(quantization, keptByDefault: keptByDefault)
        report.checkpointByteCount = checkpoint.byteCount
        report.computeDType = options.computeDType ?? (quantization?.precision == .fourBit ? quantization?.computeType : nil) ?? .float32
        if isStored, options.quantization != nil { report.storedMethod = stored?.method }
    }

    /// The report, once the model is built.
    func finish() -> LoadReport {
        report.unused = checkpoint.names.filter { !used.contains($0) && !$0.hasSuffix("rotary_emb.inv_freq") && $0 != "lm_head.weight" }
        report.unmatchedSkips = selection?.unmatchedSkips ?? []
        report.quantizationWarnings = quantizationWarnings
        return report
    }

    private var quantizationWarnings: [String] {
        let said = declared.map { "config.json says \($0)" } ?? "config.json does not say so"
        var warnings = undeclared.sorted { $0.key < $1.key }.flatMap { format, paths in
            LoadReport.counted(paths, "layers are \(format) in the checkpoint, though \(said); they are loaded as they are")
        }
        if quantization?.offloadsInFloat32 == true {
            warnings.append("llm_int8_enable_fp32_cpu_offload does nothing here: all layers are on one device")
        }
        return warnings
    }

    func parameter(_ path: String, shape: [Int]) -> Parameter {
        let value = tensor(path, shape: shape) ?? Tensor.zeros([1]).broadcast(to: shape)
        report.byteCount += value.count * value.dtype.byteCount
        return Parameter(value, isTrainable: false)
    }

    func linear(_ path: String, inFeatures: Int, outFeatures: Int, bias: Bool) -> LinearLayer {
        let bias = bias ? parameter("\(path).bias", shape: [outFeatures]) : nil
        let shape = [outFeatures, inFeatures]
        let name = "\(path).weight"
        do {
            let entries = checkpoint.weightEntries(path)
            used.formUnion(entries.map(\.name))
            if let stored = try QuantizedWeight(checkpoint, path: path, on: options.device) {
                advance(entries)
                if stored.format != declared?.replacing("llm_", with: "") { undeclared[stored.format, default: []].append(path) }
                if stored.shape == shape { return layer(stored, path: path, bias: bias) }
                problems.append("'\(name)' is a \(stored.format) tensor of shape \(stored.shape), the configuration asks for \(shape)")
            } else if let weight = tensor(name, shape: shape) {
                return try layer(weight, path: path, bias: bias)
            }
        } catch {
            problems.append("'\(name)': \(error)")
        }
        return Linear(weight: Parameter(Tensor.zeros([1]).broadcast(to: shape), isTrainable: false), bias: bias)
    }

    func tiedHead(_ embedding: Embedding) -> LinearLayer {
        _ = selection?.reasonToKeep(ModelPlan.tiedHead.path)
        if quantization?.precision != nil { report.kept.append(ModelPlan.tiedHead) }
        return Linear(weight: embedding.weight, computeDType: options.computeDType ?? .float32)
    }

    /// The layer of a weight that the checkpoint holds in floating point: quantized if it is to be.
    private func layer(_ weight: Tensor, path: String, bias: Parameter?) throws -> LinearLayer {
        if let quantization, quantization.precision != nil {
            guard let reason = selection?.reasonToKeep(path) else { return try quantized(weight, as: quantization, path: path, bias: bias) }
            report.kept.append((path, reason))
        }
        report.byteCount += weight.count * weight.dtype.byteCount
        return Linear(weight: Parameter(weight, isTrainable: false), bias: bias, computeDType: options.computeDType ?? .float32)
    }

    private func quantized(_ weight: Tensor, as quantization: BitsAndBytesConfig, path: String, bias: Parameter?) throws -> LinearLayer {
        if quantization.precision == .int8, quantization.keepsFloat16Weights {
            report.quantized.append(path)
            // The weight is there to be trained, and its codes come beside it with the first product.
            report.byteCount += weight.count * (weight.dtype.byteCount + 1) + 4 * weight.shape[0]
            let linear = Linear(weight: Parameter(weight), bias: bias)
            return Linear8bitLt(linear, keepsFloat16Weights: true, outlierThreshold: outlierThreshold)
        }
        let result = try QuantizedWeight(weight, as: quantization, blockSize: options.blockSize)
        let nonFinite = try result.nonFiniteInputCount()
        if nonFinite > 0 { report.nonFinite.append((path, nonFinite)) }
        if isStored { report.unpacked.append(path) }
        checkpoint.release("\(path).weight")
        return layer(result, path: path, bias: bias)
    }

    private func layer(_ weight: QuantizedWeight, path: String, bias: Parameter?) -> LinearLayer {
        report.quantized.append(path)
        report.byteCount += weight.byteCount
        switch weight {
        case .fourBit(let weight): return Linear4bit(weight: weight, bias: bias, computeDType: report.computeDType)
        case .int8(let weight): return Linear8bitLt(weight: weight, bias: bias, outlierThreshold: outlierThreshold)
        }
    }

    private var outlierThreshold: Float { Float(quantization?.outlierThreshold ?? BitsAndBytesConfig().outlierThreshold) }

    private func advance(_ entries: [SafetensorsEntry]) {
        doneByteCount += entries.reduce(0) { $0 + $1.byteCount }
        progress(Double(doneByteCount) / Double(max(1, report.checkpointByteCount)))
    }

    private func tensor(_ name: String, shape: [Int]) -> Tensor? {
        used.insert(name)
        guard let entry = checkpoint[name] else {
            problems.append("'\(name)' \(shape) is missing")
            return nil
        }
        guard entry.shape == shape else {
            problems.append("'\(name)' has shape \(entry.shape), the configuration asks for \(shape)")
            return nil
        }
        do {
            let isSmall = entry.byteCount < 1 << 20
            guard let tensor = try checkpoint.tensor(name, on: options.device, inPlace: !isSmall) else { return nil }
            if isSmall { checkpoint.release(name) }
            advance([entry])
            guard tensor.dtype.isFloatingPoint else {
                problems.append("'\(name)' is \(tensor.dtype.rawValue); a floating-point type was expected")
                return nil
            }
            return tensor
        } catch {
            problems.append("\(error)")
            return nil
        }
    }
}
