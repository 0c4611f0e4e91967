import BitsCore
import BitsIO
import BitsModels
import BitsNN

/// What an adapter's file holds for a model: read, and checked against the model, before anything is changed.
struct AdapterContents {
    /// By name, without PEFT's prefix.
    private let tensors: [String: Tensor]
    private let plan: AdapterPlan
    private let maker: LoRALayerMaker
    /// What the file says of the model that it was made for; nil for one that was made elsewhere.
    let baseModelCheck: String?

    /// - Throws: ``ModelFileError`` that names all entries that are missing, of another shape, not finite, or of no layer of `model`.
    init(_ folder: ModelFolder, _ configuration: LoRAConfiguration, for model: TaskModel) throws(ModelFileError) {
        let checkpoint = try Checkpoint(folder, name: "adapter_model")
        let (device, dtype) = (model.computeDevice, model.policy.masterWeights)
        maker = LoRALayerMaker(configuration: configuration, dtype: dtype, device: device, original: nil)
        baseModelCheck = checkpoint.files.lazy.compactMap { $0.metadata[BaseModelCheck.key] }.first
        let selection: AdapterSelection
        do {
            plan = try AdapterPlan(configuration, for: model)
            selection = try AdapterSelection(configuration, for: model)
        } catch { throw ModelFileError(adapter: error, path: folder.description) }

        var (tensors, problems, known): ([String: Tensor], [String], Set<String>) = ([:], [], [])
        func read(_ name: String, _ shape: [Int]) throws(ModelFileError) {
            known.insert(Adapter.prefix + name)
            guard let entry = checkpoint[Adapter.prefix + name] else { return problems.append("'\(Adapter.prefix)\(name)' is missing") }
            guard entry.shape == shape, entry.dtype?.isFloatingPoint == true else {
                return problems.append("'\(Adapter.prefix)\(name)' is \(entry.typeName) \(entry.shape), the model asks for floating point \(shape)")
            }
            try counted(as: .adapters) { () throws(ModelFileError) in
                guard let tensor = try checkpoint.tensor(Adapter.prefix + name, inPlace: false) else { return }
                do throws(DeviceError) {
                    if try !tensor.floats().allSatisfy(\.isFinite) { return problems.append("'\(Adapter.prefix)\(name)' holds NaN or infinities") }
                    tensors[name] = try tensor.moved(to: device).cast(to: dtype)
                } catch { throw .device(error) }
            }
        }
        for layer in plan.layers {
            for (name, shape) in layer.entries(configuration) { try read("\(layer.path).\(name)", shape) }
        }
        for whole in plan.whole { try read(whole.name, whole.shape) }
        for (path, module) in selection.adapted {
            let name = "\(Adapter.prefix)\(path).base_layer.weight"
            guard let entry = checkpoint[name] else { continue }
            known.insert(name)
            if try !AdapterContents.isTable(checkpoint, entry, of: module) {
                problems.append("'\(name)' \(entry.shape) is not the model's; the adapter was trained on one with another vocabulary")
            }
        }
        let foreign = checkpoint.names.filter { !known.contains($0) }
        if !foreign.isEmpty {
            problems.append("\(foreign.count) tensors belong to no layer of the model: \(foreign.prefix(3).joined(separator: ", "))")
        }
        if case .loftQ = configuration.start {
            problems += selection.adapted.filter { $0.module is any LinearLayer && !$0.module.isInFourBits }.map {
                "'\($0.path)' has to be in 4 bits, as LoftQ makes up for what that loses"
            }
        }
        guard problems.isEmpty else {
            throw .problems(problems, path: folder.description, "the adapter does not fit the model; use the model that it was trained on")
        }
        self.tensors = tensors
    }

    /// What is trained whole, by name.
    var whole: [String: Tensor] { tensors }

    /// The layer of `plan` around `module`, with the factors of the file.
    func layer(_ plan: AdapterPlan.Layer, around module: Module) throws(AdapterError) -> any LoRALayer {
        func parameter(_ name: String) -> Parameter? { tensors["\(plan.path).\(name)"].map { Parameter($0) } }
        let magnitude = parameter("lora_magnitude_vector")
        if let base = module as? any EmbeddingLayer, let down = parameter("lora_embedding_A"), let up = parameter("lora_embedding_B") {
            return LoRAEmbedding(base: base, down: down, up: up, magnitude: magnitude, scale: plan.scale)
        }
        guard var base = module as? any LinearLayer, let down = parameter("lora_A.weight"), let up = parameter("lora_B.weight") else {
            throw .notAdaptable(path: plan.path, type: "\(type(of: module))")
        }
        var start: LoRAFactors?
        switch maker.configuration.start {
        case .pissa, .olora: (base, start) = try maker.withoutPart(plan, base)
        case .kaiming, .gaussian, .random, .loftQ: break
        }
        return LoRALinear(
            base: base, down: down, up: up, upBias: parameter("lora_B.bias"), magnitude: magnitude, scale: plan.scale,
            dropout: maker.configuration.dropout, start: start)
    }

    /// Whether the copy of a base layer's weight, which PEFT adds where a vocabulary is adapted, is what the layer has, up to the rounding to 16 bits.
    private static func isTable(_ checkpoint: Checkpoint, _ entry: SafetensorsEntry, of module: Module) throws(ModelFileError) -> Bool {
        let weight = (module as? Linear)?.weight ?? (module as? Embedding)?.weight
        guard let weight else { return true }  // a quantized one may be compared with nothing
        guard entry.shape == weight.shape, entry.dtype?.isFloatingPoint == true, let copy = try checkpoint.tensor(entry.name) else { return false }
        do {
            let (found, expected) = (try copy.floats(), try weight.value.floats())
            let largest = expected.reduce(0) { max($0, abs($1)) }
            return zip(found, expected).allSatisfy { abs($0 - $1) <= 0x1p-7 * largest }
        } catch { throw .device(error) }
    }
}

extension AdapterPlan.Layer {
    /// What the file holds of the layer.
    fileprivate func entries(_ configuration: LoRAConfiguration) -> [(name: String, shape: [Int])] {
        let magnitude = configuration.isWeightDecomposed ? [("lora_magnitude_vector", [outFeatures])] : []
        let bias = configuration.hasUpdateBias ? [("lora_B.bias", [outFeatures])] : []
        let (down, up) = isEmbedding ? ("lora_embedding_A", "lora_embedding_B") : ("lora_A.weight", "lora_B.weight")
        return [(down, [rank, inFeatures]), (up, [outFeatures, rank])] + bias + magnitude
    }
}
