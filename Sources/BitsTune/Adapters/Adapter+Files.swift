import BitsCore
public import BitsIO
public import BitsModels
import BitsNN

// Files as PEFT has them: adapter_config.json, adapter_model.safetensors.

extension Adapter {
    static let prefix = "base_model.model."

    /// Loads the adapter in `folder` onto `model`, which is frozen, adapters on it included.
    ///
    /// - Throws: ``BitsIO/ModelFileError`` when a file is not in order or does not fit the model; all that does not is named at once. The model is unchanged then.
    public convenience init(_ folder: ModelFolder, on model: TaskModel) throws(ModelFileError) {
        let configuration = try LoRAConfiguration(ConfigurationFields(folder.file("adapter_config.json")))
        let contents = try AdapterContents(folder, configuration, for: model)
        do {
            try self.init(configuration, on: model) { plan, module throws(AdapterError) in
                try contents.layer(plan, around: module)
            }
        } catch {
            throw ModelFileError(adapter: error, path: folder.description)
        }
        whole.take(contents.whole)
        if let trained = contents.baseModelCheck, let own = facts.check, trained != own {
            let name = configuration.baseModel.map { ", \($0)" } ?? ""
            doubt = "\(folder): was trained on another model\(name), whose token vectors differ from this one's"
        }
    }

    /// Writes adapter_config.json and adapter_model.safetensors into a new folder at `path`, which PEFT loads.
    ///
    /// An adapter whose start was taken out of the base layers is written as a plain one of twice the rank, which stands for the same on the model as
    /// it was; PEFT's `path_initial_model_for_weight_conversion`.
    ///
    /// - Throws: ``BitsIO/ModelFileError`` when the folder exists or cannot be written; nothing is left behind then.
    public func save(to path: String) throws(ModelFileError) {
        let folder = try OutputFolder(path: path)
        let isConverted = layers.contains { $0.layer.start != nil }
        var tensors = Dictionary(uniqueKeysWithValues: whole.values.map { (Adapter.prefix + $0.name, $0.value) })
        for (path, layer) in layers {
            for (name, parameter) in layer.parameters { tensors["\(Adapter.prefix)\(path).\(name)"] = parameter.value }
            guard isConverted else { continue }
            let factors = layer.factors.minusStart(layer.start)
            for (name, parameter) in layer.parameters where parameter === layer.down { tensors["\(Adapter.prefix)\(path).\(name)"] = factors.down }
            for (name, parameter) in layer.parameters where parameter === layer.up { tensors["\(Adapter.prefix)\(path).\(name)"] = factors.up }
        }
        var metadata = ["format": "pt"]
        metadata[BaseModelCheck.key] = facts.check
        try SafetensorsFile.write(tensors, metadata: metadata, to: "\(folder.workPath)/adapter_model.safetensors")
        let written = isConverted ? configuration.plain : configuration
        try folder.write(written.json(adapted: layers.map(\.path), facts: facts).fileBytes, as: "adapter_config.json")
        try folder.commit()
    }
}

/// What an adapter's configuration says of its model.
struct AdaptedModelFacts {
    /// PEFT's `task_type`; nil for a task without a name there.
    let task: String?
    /// Whether unquantized weights of adapted layers lie transposed in the model's files. PEFT's `fan_in_fan_out`.
    let isTransposed: Bool
    /// What tells the model from others; see ``BaseModelCheck``.
    let check: String?

    init(_ model: TaskModel, adapted paths: [String]) throws(DeviceError) {
        task =
            switch model {
            case is CausalLanguageModel: "CAUSAL_LM"
            case is SequenceClassifier: "SEQ_CLS"
            case is TokenClassifier: "TOKEN_CLS"
            default: nil
            }
        let names = model.checkpointNames
        isTransposed = paths.contains(where: names.isTransposed)
        check = try BaseModelCheck.value(of: model)
    }
}

extension LoRAFactors {
    /// Factors of twice the rank whose product is this one's, less that of `start`.
    fileprivate func minusStart(_ start: LoRAFactors?) -> LoRAFactors {
        let other = start ?? LoRAFactors(down: down * 0, up: up * 0)
        return LoRAFactors(down: .concatenated([down, other.down]), up: .concatenated([up, -other.up], axis: 1))
    }
}

extension LoRAConfiguration {
    /// The settings of twice the rank, with the same scale and a start that leaves the base layers as they are.
    fileprivate var plain: LoRAConfiguration {
        var plain = self
        let factor: Float = isRankStabilized ? Float(2).squareRoot() : 2
        (plain.rank, plain.alpha, plain.start) = (2 * rank, factor * alpha, .kaiming)
        (plain.rankPattern, plain.alphaPattern) = ([:], [:])
        for entry in rankPattern.entries { plain.rankPattern.append(entry.expression, 2 * entry.value) }
        for entry in alphaPattern.entries { plain.alphaPattern.append(entry.expression, factor * entry.value) }
        return plain
    }
}

extension ModelFileError {
    /// An adapter's fault as one of the folder at `path`.
    init(adapter error: AdapterError, path: String) {
        switch error {
        case .device(let error): self = .device(error)
        case .file(let error): self = error
        default: self = .malformed(path: path, "the adapter does not fit the model: \(error)")
        }
    }
}
