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
    /// Merges `adapters` into the model, writes that to the folder `path`, as ``BitsModels/LoadedModel/save(to:maximumFileByteCount:progress:)`` does, and
    /// reads it back.
    ///
    /// - Parameters:
    ///   - adapters: all that are on the model, in the order in which they were put there.
    ///   - quantization: what linear layers become; nil leaves none quantized, whether an adapter was on it or not.
    ///   - probe: the text that logits are compared on; nil for tokens drawn at random. Its first 128 tokens count.
    /// - Throws: ``BitsTune/AdapterError``, ``BitsIO/ModelFileError``, ``BitsQuant/QuantizationError``; nothing is left behind then, unless what was written reads back
    ///   otherwise.
    public func merge(
        _ adapters: [Adapter], quantizingTo quantization: ModelQuantization? = nil, probe: [Int32]? = nil, to path: String,
        maximumFileByteCount: Int = 50_000_000_000, progress: (Double) -> Void = { _ in }
    ) throws -> MergeReport {
        let ids = probe.flatMap { $0.isEmpty ? nil : $0 } ?? drawnTokens
        let tokens = TokenBatch(packing: [Array(ids.prefix(min(128, model.contextLength)))], device: model.computeDevice)
        func logits(_ model: CausalLanguageModel) -> Tensor { noGradient { model.logits(tokens).reshaped(-1, model.vocabularySize) } }
        let adapted = logits(model)
        let exact = model.modulesOutsideAdapters.filter { $0.module is any LoRALayer }
        for adapter in adapters.reversed() { adapter.merge(into: model) }
        model.dequantizeLayers(but: quantization?.layers)
        let report = try quantization.map { try model.quantize($0) }
        model.apply(model.policy)
        let places = Dictionary(model.namedModules().map { ($0.path, $0.module) }) { first, _ in first }
        let errors = try exact.map { path, module in
            (path: path, error: try places[path].map { try LoadedModel.difference(of: $0, from: module) } ?? .nan)
        }
        let merged = try logits(model).floats()
        try save(to: path, maximumFileByteCount: maximumFileByteCount, progress: progress)

        let folder = try ModelFolder(path: path)
        let again = try LoadedModel(folder, options: LoadOptions(device: model.computeDevice)).model
        again.policy = model.policy
        let read = logits(again)
        guard try read.floats() == merged else {
            throw ModelFileError.malformed(path: path, "computes something else than what was written; do not use it, and merge again")
        }
        let (found, expected) = (try read.argMax().integers(), try adapted.argMax().integers())
        let largest = try adapted.absoluteValue().reshaped(-1).maximum(axis: 0).item()
        let difference = try (read - adapted).absoluteValue().reshaped(-1).maximum(axis: 0).item()
        return MergeReport(
            layers: errors, logitsError: Double(difference) / Double(largest), tokens: found.count, agreeing: zip(found, expected).count(where: ==),
            quantization: report)
    }

    /// Tokens of the vocabulary, the same for every model of its size.
    private var drawnTokens: [Int32] {
        var generator = RandomGenerator(seed: 0)
        return (0..<64).map { _ in Int32.random(in: 0..<Int32(model.vocabularySize), using: &generator) }
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

extension Module {
    /// Puts what its codes stand for in the place of each quantized layer that is not in `form` already.
    fileprivate func dequantizeLayers(but form: Quantization?) {
        func settled(_ form: Quantization?) -> Quantization? {
            var form = form
            form?.computeDType = nil
            return form
        }
        replaceModules { _, module in
            guard let found = module.quantization, settled(found) != settled(form) else { return nil }
            switch module {
            case is TiedLinear: return nil
            case let layer as any LinearLayer: return Linear(weight: Parameter(layer.weightMatrix(), isTrainable: false), bias: layer.bias)
            case let layer as any EmbeddingLayer: return Embedding(weight: Parameter(layer.table(), isTrainable: false))
            default: return nil
            }
        }
    }
}
