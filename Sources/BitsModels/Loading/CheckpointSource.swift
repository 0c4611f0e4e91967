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
    private(set) var report = LoadReport()
    private(set) var problems: [String] = []
    private var used: Set<String> = []
    private var selection: LayerSelection?

    /// - Parameter keptByDefault: of the model that will be built, see ``ModelPlan/keptByDefault``.
    init(_ checkpoint: Checkpoint, quantization: BitsAndBytesConfig?, keptByDefault: [String: String], options: LoadOptions) {
        self.checkpoint = checkpoint
        self.options = options
        self.quantization = quantization
        selection = LayerSelection(quantization, keptByDefault: keptByDefault)
        report.checkpointByteCount = checkpoint.byteCount
    }

    /// The report, once the model is built.
    func finish() -> LoadReport {
        report.unused = checkpoint.names.filter { !used.contains($0) && !$0.hasSuffix("rotary_emb.inv_freq") && $0 != "lm_head.weight" }
        report.unmatchedSkips = selection?.unmatchedSkips ?? []
        return report
    }

    func parameter(_ path: String, shape: [Int]) -> Parameter {
        let value = tensor(path, shape: shape) ?? Tensor.zeros([1]).broadcast(to: shape)
        report.byteCount += value.count * value.dtype.byteCount
        return Parameter(value, isTrainable: false)
    }

    func linear(_ path: String, inFeatures: Int, outFeatures: Int, bias: Bool) -> LinearLayer {
        let bias = bias ? parameter("\(path).bias", shape: [outFeatures]) : nil
        let shape = [outFeatures, inFeatures]
        if checkpoint["\(path).SCB"] != nil { problems.append("\(path) is in 8 bits, which cannot be loaded yet") }
        if let prequantized = fourBitTensor(path, shape: shape) {
            report.quantized.append(path)
            report.byteCount += prequantized.byteCount
            return Linear4bit(weight: prequantized, bias: bias, computeDType: options.computeDType)
        }
        let name = "\(path).weight"
        guard !isPacked(path), let weight = tensor(name, shape: shape) else {
            return Linear(weight: Parameter(Tensor.zeros([1]).broadcast(to: shape), isTrainable: false), bias: bias)
        }
        let reason = selection == nil ? "no quantization was asked for" : selection?.reasonToKeep(path)
        guard let reason else {
            do {
                return try quantized(weight, path: path, bias: bias)
            } catch {
                problems.append("\(name): \(error)")
                return Linear(weight: Parameter(weight, isTrainable: false), bias: bias)
            }
        }
        if quantization != nil { report.kept.append((path, reason)) }
        report.byteCount += weight.count * weight.dtype.byteCount
        return Linear(weight: Parameter(weight, isTrainable: false), bias: bias, computeDType: options.computeDType)
    }

    func tiedHead(_ embedding: Embedding) -> LinearLayer {
        if quantization != nil { report.kept.append(ModelPlan.tiedHead) }
        return Linear(weight: embedding.weight, computeDType: options.computeDType)
    }

    private func quantized(_ weight: Tensor, path: String, bias: Parameter?) throws -> LinearLayer {
        guard let quantization else { preconditionFailure("a layer is quantized only by a configuration") }
        let packed = try weight.quantized(
            to: quantization.format, blockSize: options.blockSize, doubleQuantization: quantization.doubleQuantization,
            storage: quantization.storageType)
        let nonFinite = try packed.nonFiniteInputCount()
        if nonFinite > 0 { report.nonFinite.append((path, nonFinite)) }
        report.quantized.append(path)
        report.byteCount += packed.byteCount
        return Linear4bit(weight: packed, bias: bias, computeDType: options.computeDType)
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
            guard let tensor = try checkpoint.tensor(name, on: options.device) else { return nil }
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

    /// Whether the checkpoint has any part of the layer's weight in 4 bits.
    private func isPacked(_ path: String) -> Bool { FourBitTensor.suffixes.contains { checkpoint["\(path).weight\($0)"] != nil } }

    /// The layer's weight as the checkpoint holds it in 4 bits; nil if it does not, or holds it wrongly (which is noted).
    private func fourBitTensor(_ path: String, shape: [Int]) -> FourBitTensor? {
        let name = "\(path).weight"
        guard isPacked(path) else { return nil }
        for suffix in FourBitTensor.suffixes + [""] { used.insert(name + suffix) }
        do {
            let packed = try FourBitTensor { suffix in try self.checkpoint.tensor(name + suffix, on: self.options.device) }
            guard packed.shape == shape else {
                problems.append("'\(name)' is a 4-bit tensor of shape \(packed.shape), the configuration asks for \(shape)")
                return nil
            }
            return packed
        } catch {
            problems.append("'\(name)': \(error)")
            return nil
        }
    }
}
