import BitsCore
import BitsIO
public import BitsModels
public import BitsNN
import BitsQuant

/// What merging adapters came to, measured.
public struct MergeReport: Sendable {
    /// The layers that adapters were on, with how far the weight that was written is from the exact one: the norm of the difference over the norm.
    public let layers: [(path: String, error: Double)]
    /// How far the logits of the model that was read back are from those of the model with its adapters, at most, over the largest.
    public let logitsError: Double
    /// Tokens that logits were compared of, and those among them with the same most likely successor.
    public let tokens: Int
    public let agreeing: Int
    /// What was quantized after the merge; nil where nothing was to be.
    public let quantization: ModelReport?

    public var meanError: Double { layers.reduce(0) { $0 + $1.error } / Double(max(1, layers.count)) }
    public var worstLayer: (path: String, error: Double)? { layers.max { $0.error < $1.error } }
}

extension LoadedModel {
    /// Writes the model with `adapters` in its weights to the folder `path`, as ``BitsModels/LoadedModel/save(to:maximumFileByteCount:progress:)`` does, and
    /// reads that back. The model itself stays as it is.
    ///
    /// Each weight is `W + scale · B · A` (or what DoRA makes of it), rounded once to the type that W has, or was quantized from; it is made when it is written, so that
    /// memory holds one of them beside the model, and beside the quantized result if there is to be one. A head that shares the table of an adapted embedding gets a weight of its
    /// own.
    ///
    /// - Parameters:
    ///   - adapters: all that are on the model.
    ///   - quantization: what linear layers become; nil leaves none quantized, whether an adapter was on it or not.
    ///   - probe: the text that logits are compared on; nil for tokens drawn at random. Its first 128 tokens count.
    /// - Throws: ``BitsTune/AdapterError``, ``BitsIO/ModelFileError``; nothing is left behind then, unless what was written reads back otherwise.
    public func merge(
        _ adapters: [Adapter], quantizingTo quantization: ModelQuantization? = nil, probe: [Int32]? = nil, to path: String,
        maximumFileByteCount: Int = 50_000_000_000, progress: @escaping (Double) -> Void = { _ in }
    ) throws -> MergeReport {
        let source = try MergedWeights(of: model, adapters, keeping: quantization?.layers)
        let written = source.hasTiedHead ? configuration : try CausalLanguageModel.untied(configuration)
        let logits = Logits(of: probe, in: model)
        var quantized: (report: ModelReport, logits: Tensor)?
        if let quantization {
            let (merged, report) = try self.quantized(source, quantization, written)
            try merged.save(
                to: path, like: folder, configuration: written, skipping: quantization.skipping, maximumFileByteCount: maximumFileByteCount,
                progress: progress)
            quantized = (report, logits(merged))
        } else {
            try CausalLanguageModel.save(
                source, to: path, like: folder, configuration: written, maximumFileByteCount: maximumFileByteCount, progress: progress)
            let checkpoint = try Checkpoint(ModelFolder(path: path))
            for name in checkpoint.names {
                try LoadedModel.check(checkpoint.tensor(name)?.bytes(), reads: source.tensor(name, on: .cpu)?.bytes(), path: path)
                checkpoint.release(name)
            }
        }
        let again = try LoadedModel(ModelFolder(path: path), options: LoadOptions(device: model.computeDevice)).model
        again.policy = model.policy
        if let quantized { try LoadedModel.check(logits(again).bytes(), reads: quantized.logits.bytes(), path: path) }
        let places = Dictionary(again.namedModules().map { ($0.path, $0.module) }) { first, _ in first }
        let layers = try model.modulesOutsideAdapters.filter { $0.module is any LoRALayer }.map { path, module in
            (path: path, error: try places[path].map { try LoadedModel.difference(of: $0, from: module) } ?? .nan)
        }
        let (found, expected) = (logits(again), logits(model))
        let pairs = zip(try found.argMax().integers(), try expected.argMax().integers())
        let largest = try expected.absoluteValue().reshaped(-1).maximum(axis: 0).item()
        let difference = try (found - expected).absoluteValue().reshaped(-1).maximum(axis: 0).item()
        return MergeReport(
            layers: layers, logitsError: Double(difference) / Double(largest), tokens: logits.count, agreeing: pairs.count(where: ==),
            quantization: quantized?.report)
    }

    /// The merged model with its layers quantized one by one.
    private func quantized(
        _ source: MergedWeights, _ quantization: ModelQuantization, _ configuration: ModelConfiguration
    ) throws -> (model: CausalLanguageModel, report: ModelReport) {
        let merged = try CausalLanguageModel(configuration)
        let options = LoadOptions(quantization, computeDType: model.policy.products, device: model.computeDevice)
        var report = try CausalLanguageModel.fill(merged, from: source, options: options, path: folder.description) { _ in }
        // These have been in that form before.
        report.quantized.removeAll(where: \.wasQuantized)
        merged.policy = model.policy
        return (merged, report)
    }

    private static func check(_ found: [UInt8]?, reads expected: [UInt8]?, path: String) throws(ModelFileError) {
        guard let found, found == expected else {
            throw .malformed(path: path, "reads back as something else than what was written; do not use it, and merge again")
        }
    }

    /// The norm of the difference of two layers' weights over that of the exact one's.
    private static func difference(of module: Module, from exact: Module) throws(DeviceError) -> Double {
        let weights: (found: Tensor, exact: Tensor)
        switch (module, exact) {
        case (let layer as any LinearLayer, let exact as LoRALinear): weights = (layer.weightMatrix(.float32), exact.weightMatrix(.float32))
        case (let layer as any EmbeddingLayer, let exact as LoRAEmbedding): weights = (layer.table(.float32), exact.adaptedTable)
        default: return .nan
        }
        let squares = try (weights.found - weights.exact).sumOfSquares().item()
        return Double(squares / (try weights.exact.sumOfSquares().item())).squareRoot()
    }
}

/// The logits of a text, for models to be compared by.
private struct Logits {
    private let tokens: TokenBatch
    let count: Int

    /// - Parameter text: its first 128 tokens count; nil for 64 drawn at random, the same for every model of the vocabulary's size.
    init(of text: [Int32]?, in model: CausalLanguageModel) {
        var generator = RandomGenerator(seed: 0)
        let ids =
            text.flatMap { $0.isEmpty ? nil : $0 }
            ?? (0..<64).map { _ in Int32.random(in: 0..<Int32(model.vocabularySize), using: &generator) }
        let compared = Array(ids.prefix(min(128, model.contextLength)))
        (tokens, count) = (TokenBatch(packing: [compared], device: model.computeDevice), compared.count)
    }

    /// [T, V]
    func callAsFunction(_ model: CausalLanguageModel) -> Tensor {
        noGradient { model.logits(tokens).reshaped(-1, model.vocabularySize) }
    }
}
