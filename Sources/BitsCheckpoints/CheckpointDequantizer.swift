public import BitsCore
public import BitsIO
import BitsModels
import BitsNN
import BitsQuant

/// Makes a checkpoint in floating point of a quantized one: each weight is what its codes stand for, all else is copied.
///
/// Weights are read and dequantized one by one; memory holds one.
public struct CheckpointDequantizer {
    /// What was done.
    public struct Report: Sendable, Equatable {
        /// The paths of the layers that were quantized, and how (`nf4`, ...).
        public var layers: [(path: String, format: String)] = []
        /// Entries that were given another type in which some of their numbers are infinite or NaN, with how many.
        public var nonFinite: [(name: String, count: Int)] = []
        /// Bytes of the weights in the checkpoint, and as they are now.
        public var checkpointByteCount = 0
        public var byteCount = 0

        public static func == (a: Report, b: Report) -> Bool {
            a.layers.elementsEqual(b.layers, by: ==) && a.nonFinite.elementsEqual(b.nonFinite, by: ==)
                && a.checkpointByteCount == b.checkpointByteCount && a.byteCount == b.byteCount
        }
    }

    public let folder: ModelFolder
    private let dtype: DType?
    private let checkpoint: Checkpoint
    private let weights: [String: (weight: any QuantizedTensor, dtype: DType)]
    private let plan: ModelPlan?
    private let rewriter: CheckpointRewriter
    private var report = Report()

    /// Reads the configuration, the checkpoint's headers and what describes its quantized weights.
    ///
    /// - Parameters:
    ///   - dtype: what every floating-point tensor is written in; nil keeps what is not quantized as it is, and gives each weight the type that was
    ///     quantized (for int8, whose entries do not tell, the type in config.json, or float32 where there is none).
    ///   - device: where weights are computed; what is written is the same.
    /// - Throws: ``BitsIO/ModelFileError`` for a folder that is not in order, that holds no quantized weight, or types that cannot be copied; all layers that
    ///   cannot be read, or have another shape than the model's, are named at once.
    public init(_ folder: ModelFolder, to dtype: DType? = nil, on device: Device = .cpu) throws(ModelFileError) {
        precondition(dtype?.isFloatingPoint != false, "dequantization to \(dtype?.rawValue ?? "")")
        var configuration = try ModelConfiguration(folder)
        _ = try configuration.quantization
        let checkpoint = try Checkpoint(folder)
        let usual = try configuration.dtype ?? .float32
        let found = try checkpoint.quantizedWeights(in: folder, as: usual, on: device)
        guard !found.isEmpty else {
            throw .unsupported(path: folder.description, "holds no quantized weight; there is nothing to dequantize")
        }
        let weights = Dictionary(uniqueKeysWithValues: found.map { ("\($0.path).weight", (weight: $0.weight, dtype: dtype ?? $0.weight.dtype)) })
        let known = ModelRegistry.families.contains(configuration.modelType)
        let plan = known ? ModelPlan(try ModelRegistry.model(configuration)) : nil
        if let plan { try CheckpointFit.check(found, plan: plan, path: folder.description) }
        let parts = Set(found.flatMap { checkpoint.weightEntries($0.path).map(\.name) })
        var tensors: [CheckpointLayout.Announcement] = weights.map { name, entry in
            (name, entry.dtype, plan?.isTransposed(name) == true ? entry.weight.shape.reversed() : entry.weight.shape)
        }
        for name in checkpoint.names where !parts.contains(name) {
            guard let entry = checkpoint[name] else { continue }
            guard let stored = entry.dtype else {
                throw .unsupported(path: folder.description, "has '\(name)' in \(entry.typeName), which cannot be copied; take it out or convert it")
            }
            tensors.append((name, stored.isFloatingPoint ? dtype ?? stored : stored, entry.shape))
        }
        configuration.setQuantization(nil)
        if let dtype { configuration.setDType(dtype) }
        report.layers = found.map { ($0.path, $0.weight.formatName) }
        report.checkpointByteCount = checkpoint.byteCount
        rewriter = CheckpointRewriter(folder: folder, checkpoint: checkpoint, configuration: configuration, tensors: tensors)
        self.folder = folder
        self.dtype = dtype
        self.checkpoint = checkpoint
        self.weights = weights
        self.plan = plan
    }

    /// Writes the folder `path`: `model.safetensors` or its shards, `config.json` without `quantization_config`, and the tokenizer's files.
    ///
    /// - Parameters:
    ///   - maximumFileByteCount: above it the weights are spread over several files.
    ///   - progress: called with the share of the work that is done.
    /// - Throws: ``BitsIO/ModelFileError`` when the folder exists, cannot be written, or the disk is full. Nothing is left behind then.
    public func write(
        to path: String, maximumFileByteCount: Int = 50_000_000_000, progress: (Double) -> Void = { _ in }
    ) throws(ModelFileError) -> Report {
        var report = report
        var done = 0
        let byteCount = try rewriter.write(to: path, maximumFileByteCount: maximumFileByteCount) { (name) throws(ModelFileError) in
            done += 1
            progress(Double(done) / Double(rewriter.tensors.count))
            if let (weight, dtype) = weights[name] {
                let matrix = weight.dequantized(to: dtype)
                return try report.counting(plan?.isTransposed(name) == true ? matrix.transposed().contiguous() : matrix, name)
            }
            guard let tensor = try checkpoint.tensor(name) else { throw .malformed(path: folder.description, "'\(name)' is missing") }
            guard let dtype, tensor.dtype.isFloatingPoint, tensor.dtype != dtype else { return tensor }
            return try report.counting(tensor.cast(to: dtype), name)
        }
        report.byteCount = byteCount
        return report
    }
}

extension CheckpointDequantizer.Report {
    /// What a user should be told, a line each.
    public var warnings: [String] {
        let most = 20
        let lines = nonFinite.prefix(most).map { "\($0.name): \($0.count) numbers are infinite or NaN in the type that is written" }
        return lines + (nonFinite.count > most ? ["... and \(nonFinite.count - most) tensors more"] : [])
    }

    /// Notes how many numbers of `tensor` float16 cannot hold; the wider types hold all that float32 does.
    fileprivate mutating func counting(_ tensor: Tensor, _ name: String) throws(ModelFileError) -> Tensor {
        guard tensor.dtype == .float16 else { return tensor }
        do {
            let bytes = try tensor.bytes()
            // Infinities and NaN are the numbers with all bits of the exponent set; it is in the second byte.
            let count = stride(from: 1, to: bytes.count, by: 2).count { bytes[$0] & 0x7c == 0x7c }
            if count > 0 { nonFinite.append((name, count)) }
        } catch { throw .device(error) }
        return tensor
    }
}
