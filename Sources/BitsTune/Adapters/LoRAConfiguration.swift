public import BitsIO

/// The settings of an adapter: PEFT's `adapter_config.json`.
public struct LoRAConfiguration: Sendable, Equatable {
    /// Which linear layers get an adapter.
    public enum Targets: Sendable, Equatable {
        /// Every linear layer but the output head.
        case allLinear
        /// Layers of these names: a whole path, or its end on a module boundary (`q_proj`).
        case named([String])
    }

    /// R, the rank of the update.
    public var rank = 8
    /// The update is scaled by `alpha / rank`, or `alpha / sqrt(rank)` when ``isRankStabilized``.
    public var alpha: Float = 8
    public var dropout: Float = 0
    public var targets = Targets.allLinear
    /// rsLoRA (Kalajdzievski 2023, arXiv:2312.03732).
    public var isRankStabilized = false
    /// The name of the model that it was trained on; for readers, nothing goes by it.
    public var baseModel: String?

    public init(
        rank: Int = 8, alpha: Float = 8, dropout: Float = 0, targets: Targets = .allLinear, isRankStabilized: Bool = false, baseModel: String? = nil
    ) {
        self.rank = rank
        self.alpha = alpha
        self.dropout = dropout
        self.targets = targets
        self.isRankStabilized = isRankStabilized
        self.baseModel = baseModel
    }

    public var scale: Float { isRankStabilized ? alpha / Float(rank).squareRoot() : alpha / Float(rank) }

    /// Whether the layer at `path` gets an adapter.
    func includes(_ path: String, isHead: Bool) -> Bool {
        switch targets {
        case .allLinear: !isHead
        case .named(let names): names.contains { path == $0 || path.hasSuffix("." + $0) }
        }
    }
}

extension LoRAConfiguration {
    /// Reads `adapter_config.json`.
    ///
    /// - Throws: ``BitsIO/ModelFileError`` for a missing or ill-typed field, or for a kind of adapter that is not implemented, which it names.
    public init(_ fields: ConfigurationFields) throws(ModelFileError) {
        let kind = try fields.require("peft_type", as: String.self)
        guard kind == "LORA" else { throw .unsupported(path: fields.path, "has peft_type '\(kind)'; LORA was expected") }
        for key in ["use_dora", "lora_bias", "use_bdlora", "use_qalora"] where try fields.value(key, default: false) {
            throw .unsupported(path: fields.path, "sets '\(key)', which is not implemented; train the adapter without it")
        }
        for key in [
            "modules_to_save", "layer_replication", "alora_invocation_tokens", "target_parameters", "trainable_token_indices", "layers_to_transform",
            "exclude_modules",
        ] where fields.contains(key) {
            throw .unsupported(path: fields.path, "sets '\(key)', which is not implemented; train the adapter without it")
        }
        for key in ["rank_pattern", "alpha_pattern"] {
            guard let pattern = try fields.section(key), !pattern.object.isEmpty else { continue }
            throw .unsupported(path: fields.path, "sets '\(key)', which is not implemented; use one rank and alpha for all layers")
        }
        // Others (PiSSA, OLoRA, CorDA, LoftQ) change the base model's weights, which the adapter's file does not hold.
        switch fields.object["init_lora_weights"] ?? .null {
        case .null, .bool, "gaussian": break
        case let start:
            throw .unsupported(
                path: fields.path,
                "has init_lora_weights \(start.compactText), which is not implemented; true, false or \"gaussian\" was expected, so convert the adapter to plain LoRA"
            )
        }
        let bias = try fields.value("bias", default: "none")
        guard bias == "none" else { throw .unsupported(path: fields.path, "has bias '\(bias)'; 'none' was expected") }
        rank = try fields.requireCount("r")
        alpha = try fields.require("lora_alpha")
        guard alpha.isFinite else { throw fields.error("has lora_alpha \(alpha); a finite number was expected") }
        dropout = Float(try fields.value("lora_dropout", default: 0.0))
        guard dropout >= 0, dropout < 1 else { throw fields.error("has lora_dropout \(dropout); a number from 0 to below 1 was expected") }
        isRankStabilized = try fields.value("use_rslora", default: false)
        baseModel = try fields.optional("base_model_name_or_path")
        if case .string(let name)? = fields.object["target_modules"] {
            guard name == "all-linear" else {
                throw .unsupported(path: fields.path, "has the pattern '\(name)' as target_modules; a list of names or 'all-linear' was expected")
            }
            targets = .allLinear
        } else {
            targets = .named(try fields.require("target_modules", as: [String].self))
        }
    }

    /// The contents of `adapter_config.json` as PEFT writes it: sorted keys, `inference_mode` true.
    func json(adapted paths: [String]) -> JSONValue {
        [
            "alpha_pattern": [:], "auto_mapping": nil, "base_model_name_or_path": baseModel.map { .string($0) } ?? nil, "bias": "none",
            "exclude_modules": nil, "fan_in_fan_out": false, "inference_mode": true, "init_lora_weights": true, "layers_pattern": nil,
            "layers_to_transform": nil, "loftq_config": [:],
            "lora_alpha": .number(Int(exactly: alpha).map { JSONNumber($0) } ?? JSONNumber(Double(alpha))), "lora_bias": false,
            "lora_dropout": .number(JSONNumber(Double(dropout))), "modules_to_save": nil, "peft_type": "LORA",
            "r": .number(JSONNumber(rank)), "rank_pattern": [:], "revision": nil, "target_modules": .array(paths.sorted().map { .string($0) }),
            "target_parameters": nil, "task_type": "CAUSAL_LM", "trainable_token_indices": nil, "use_dora": false,
            "use_rslora": .bool(isRankStabilized),
        ]
    }
}
