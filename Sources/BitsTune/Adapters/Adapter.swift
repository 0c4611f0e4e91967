public import BitsCore
public import BitsIO
public import BitsModels
import BitsNN

/// The low-rank updates of a model's linear layers, as one thing: to train, to save, to load.
public final class Adapter {
    public let configuration: LoRAConfiguration
    /// The adapted layers with their paths in the model, in the model's order.
    public let layers: [(path: String, layer: LoRALinear)]

    private init(_ configuration: LoRAConfiguration, layers: [(path: String, layer: LoRALinear)]) {
        self.configuration = configuration
        self.layers = layers
    }

    /// Freezes `model` and puts a fresh adapter around each layer that `configuration` names; the model computes what it did until it is trained.
    ///
    /// - Throws: ``AdapterError`` when no layer is named, or the rank is out of range.
    public convenience init(
        on model: TaskModel, _ configuration: LoRAConfiguration, using generator: inout RandomGenerator
    ) throws(AdapterError) {
        guard configuration.rank > 0 else { throw .badRank(configuration.rank) }
        model.setTrainable(false)
        let device = model.computeDevice
        let heads = Set(model.outputHeads.map { ObjectIdentifier($0) })
        var layers: [(path: String, layer: LoRALinear)] = []
        model.replaceModules { path, module in
            guard let base = module as? any LinearLayer, !(module is LoRALinear),
                configuration.includes(path, isHead: heads.contains(ObjectIdentifier(module)))
            else { return nil }
            let layer = LoRALinear(
                base: base, rank: configuration.rank, scale: configuration.scale, dropout: configuration.dropout, using: &generator,
                dtype: model.policy.masterWeights, device: device)
            layers.append((path, layer))
            return layer
        }
        guard !layers.isEmpty else { throw .nothingToAdapt(configuration.targets) }
        model.apply(model.policy)
        self.init(configuration, layers: layers)
    }

    /// The trained parameters, layer by layer: A, then B.
    public var parameters: [Parameter] { layers.flatMap { [$0.layer.down, $0.layer.up] } }

    /// The number of trained weights.
    public var parameterCount: Int { parameters.reduce(0) { $0 + $1.count } }

    /// Lets the passes from now on drop what `seed` and the number `pass`, from 1, stand for: to be called before each. Every layer has its own masks.
    public func setDropout(seed: UInt64, pass: Int) {
        for (index, entry) in layers.enumerated() {
            entry.layer.dropoutSource = RandomGenerator(seed: seed, stream: UInt64(index) << 32 | UInt64(UInt32(pass)))
        }
    }

    /// Turns dropout off, as for evaluation.
    public func removeDropout() {
        for entry in layers { entry.layer.dropoutSource = nil }
    }
}

// MARK: - Files, as PEFT has them

extension Adapter {
    private static let prefix = "base_model.model."

    /// Loads the adapter in `folder` (adapter_config.json, adapter_model.safetensors) onto `model`, which is frozen.
    ///
    /// - Throws: ``BitsIO/ModelFileError`` when a file is not in order or does not fit the model; the model is unchanged then.
    public convenience init(_ folder: ModelFolder, on model: TaskModel) throws(ModelFileError) {
        let fields = try ConfigurationFields(folder.file("adapter_config.json"))
        let configuration = try LoRAConfiguration(fields)
        let checkpoint = try Checkpoint(folder, name: "adapter_model")
        let device = model.computeDevice
        let heads = Set(model.outputHeads.map { ObjectIdentifier($0) })
        var factors: [String: (down: Tensor, up: Tensor)] = [:]
        var problems: [String] = []
        var used = 0
        for (path, module) in model.namedModules() {
            guard let base = module as? any LinearLayer, configuration.includes(path, isHead: heads.contains(ObjectIdentifier(module))) else {
                continue
            }
            let names = ["A", "B"].map { "\(Adapter.prefix)\(path).lora_\($0).weight" }
            let shapes = [[configuration.rank, base.inFeatures], [base.outFeatures, configuration.rank]]
            var found: [Tensor] = []
            for (name, shape) in zip(names, shapes) {
                guard let entry = checkpoint[name] else {
                    problems.append("'\(name)' is missing")
                    continue
                }
                used += 1
                guard entry.shape == shape else {
                    problems.append("'\(name)' has shape \(entry.shape), the model asks for \(shape)")
                    continue
                }
                if let tensor = try checkpoint.tensor(name, on: device) { found.append(tensor) }
            }
            if found.count == 2 { factors[path] = (found[0].cast(to: model.policy.masterWeights), found[1].cast(to: model.policy.masterWeights)) }
        }
        if used < checkpoint.names.count { problems.append("\(checkpoint.names.count - used) tensors belong to no layer of the model") }
        if factors.isEmpty { problems.append("no layer of the model is named") }
        guard problems.isEmpty else {
            throw .problems(problems, path: folder.description, "the adapter does not fit the model; use the model that it was trained on")
        }
        model.setTrainable(false)
        var layers: [(path: String, layer: LoRALinear)] = []
        model.replaceModules { path, module in
            guard let base = module as? any LinearLayer, let (down, up) = factors[path] else { return nil }
            let layer = LoRALinear(
                base: base, down: Parameter(down), up: Parameter(up), scale: configuration.scale, dropout: configuration.dropout)
            layers.append((path, layer))
            return layer
        }
        model.apply(model.policy)
        self.init(configuration, layers: layers)
    }

    /// Writes adapter_config.json and adapter_model.safetensors into a new folder at `path`, which PEFT loads.
    ///
    /// - Throws: ``BitsIO/ModelFileError`` when the folder exists or cannot be written; nothing is left behind then.
    public func save(to path: String) throws(ModelFileError) {
        let folder = try OutputFolder(path: path)
        var tensors: [String: Tensor] = [:]
        for (path, layer) in layers {
            tensors["\(Adapter.prefix)\(path).lora_A.weight"] = layer.down.value
            tensors["\(Adapter.prefix)\(path).lora_B.weight"] = layer.up.value
        }
        try SafetensorsFile.write(tensors, to: "\(folder.workPath)/adapter_model.safetensors")
        try folder.write(configuration.json(adapted: layers.map(\.path)).fileBytes, as: "adapter_config.json")
        try folder.commit()
    }
}

/// Why a model could not be given an adapter.
public enum AdapterError: Error, Equatable, Sendable, CustomStringConvertible {
    case badRank(Int)
    case nothingToAdapt(LoRAConfiguration.Targets)

    public var description: String {
        switch self {
        case .badRank(let rank): "LoRA rank \(rank) is not positive; use 4 to 64"
        case .nothingToAdapt(.allLinear): "the model has no linear layers to adapt"
        case .nothingToAdapt(.named(let names)):
            "no linear layer is called \(names.joined(separator: ", ")); name layers such as q_proj, or use all-linear"
        }
    }
}
