public import BitsIO

extension LoRAConfiguration {
    /// Reads `adapter_config.json`.
    ///
    /// - Throws: ``BitsIO/ModelFileError`` for a missing or ill-typed field, or for a kind of adapter that is not implemented, which it names.
    public init(_ fields: ConfigurationFields) throws(ModelFileError) {
        let kind = try fields.require("peft_type", as: String.self)
        guard kind == "LORA" else { throw .unsupported(path: fields.path, "has peft_type '\(kind)'; LORA was expected") }
        for key in LoRAConfiguration.foreignKinds where fields.isSet(key) {
            throw .unsupported(path: fields.path, "sets '\(key)', which is not implemented; train the adapter without it")
        }
        rank = try fields.requireCount("r")
        alpha = try fields.require("lora_alpha")
        guard alpha.isFinite else { throw fields.error("has lora_alpha \(alpha); a finite number was expected") }
        dropout = Float(try fields.value("lora_dropout", default: 0.0))
        guard dropout >= 0, dropout < 1 else { throw fields.error("has lora_dropout \(dropout); a number from 0 to below 1 was expected") }
        isRankStabilized = try fields.value("use_rslora", default: false)
        isWeightDecomposed = try fields.value("use_dora", default: false)
        hasUpdateBias = try fields.value("lora_bias", default: false)
        baseModel = try fields.optional("base_model_name_or_path")
        let bias = try fields.value("bias", default: "none")
        guard let biases = Biases(rawValue: bias) else {
            throw .unsupported(path: fields.path, "has bias '\(bias)'; none, all or lora_only was expected")
        }
        self.biases = biases
        start = try LoRAStart(fields)
        try readTargets(fields)
        modulesToSave = try fields.value("modules_to_save", default: [])
        for key in try fields.section("rank_pattern")?.object.keys ?? [] {
            rankPattern.append(key, try fields.section("rank_pattern")?.requireCount(key) ?? rank)
        }
        for key in try fields.section("alpha_pattern")?.object.keys ?? [] {
            let value = try fields.section("alpha_pattern")?.require(key, as: Float.self) ?? alpha
            guard value.isFinite else { throw fields.error("has the alpha \(value) for '\(key)'; a finite number was expected") }
            alphaPattern.append(key, value)
        }
        do { try check() } catch { throw fields.error("\(error)") }
    }

    /// What makes another kind of adapter of one: refused by name.
    private static let foreignKinds = [
        "use_bdlora", "use_qalora", "layer_replication", "alora_invocation_tokens", "target_parameters", "trainable_token_indices", "kasa_config",
        "arrow_config", "monteclora_config", "velora_config", "megatron_config", "ensure_weight_tying",
    ]

    private mutating func readTargets(_ fields: ConfigurationFields) throws(ModelFileError) {
        if case .string(let text)? = fields.object["target_modules"] {
            targets = text.lowercased() == "all-linear" ? .allLinear : .matching(text)
        } else {
            targets = .named(try fields.require("target_modules", as: [String].self))
        }
        if fields.isSet("exclude_modules") {
            if case .string(let text)? = fields.object["exclude_modules"] {
                excluded = .matching(text)
            } else {
                excluded = .named(try fields.require("exclude_modules", as: [String].self))
            }
        }
        if case .number? = fields.object["layers_to_transform"] {
            blocks = [try fields.require("layers_to_transform", as: Int.self)]
        } else {
            blocks = try fields.optional("layers_to_transform", as: [Int].self)
        }
        guard fields.isSet("layers_pattern") else { return }
        if case .string(let text)? = fields.object["layers_pattern"] {
            blockNames = [text]
        } else {
            blockNames = try fields.require("layers_pattern", as: [String].self)
        }
    }

    /// The contents of `adapter_config.json` as PEFT writes it: sorted keys, `inference_mode` true.
    func json(adapted paths: [String], facts: AdaptedModelFacts) -> JSONValue {
        func names(_ names: [String]) -> JSONValue { .array(names.map { .string($0) }) }
        func number(_ value: Float) -> JSONValue { .number(Int(exactly: value).map { JSONNumber($0) } ?? JSONNumber(Double(value))) }
        func pattern<Value>(_ pattern: LayerPatterns<Value>, _ json: (Value) -> JSONValue) -> JSONValue {
            var object = JSONObject()
            for entry in pattern.entries { object[entry.expression] = json(entry.value) }
            return .object(object)
        }
        let targets: JSONValue =
            switch self.targets {
            case .allLinear: names(paths.sorted())
            case .named(let list): names(list)
            case .matching(let text): .string(text)
            }
        let excluded: JSONValue =
            switch self.excluded {
            case nil: .null
            case .named(let list): names(list)
            case .matching(let text): .string(text)
            }
        return [
            "alpha_pattern": pattern(alphaPattern, number), "auto_mapping": nil, "base_model_name_or_path": baseModel.map { .string($0) } ?? nil,
            "bias": .string(biases.rawValue), "exclude_modules": excluded, "fan_in_fan_out": .bool(facts.isTransposed), "inference_mode": true,
            "init_lora_weights": true, "layers_pattern": blockNames.isEmpty ? nil : names(blockNames),
            "layers_to_transform": blocks.map { .array($0.map { .number(JSONNumber($0)) }) } ?? nil, "loftq_config": [:],
            "lora_alpha": number(alpha), "lora_bias": .bool(hasUpdateBias), "lora_dropout": .number(JSONNumber(Double(dropout))),
            "modules_to_save": modulesToSave.isEmpty ? nil : names(modulesToSave), "peft_type": "LORA", "r": .number(JSONNumber(rank)),
            "rank_pattern": pattern(rankPattern) { .number(JSONNumber($0)) }, "revision": nil, "target_modules": targets, "target_parameters": nil,
            "task_type": facts.task.map { .string($0) } ?? nil, "trainable_token_indices": nil, "use_dora": .bool(isWeightDecomposed),
            "use_rslora": .bool(isRankStabilized),
        ]
    }
}

extension LoRAStart {
    /// Reads `init_lora_weights`. Starts that leave the base layers as they are differ before training alone, and count as one here.
    fileprivate init(_ fields: ConfigurationFields) throws(ModelFileError) {
        let value = fields.object["init_lora_weights"] ?? .null
        switch value {
        case .null, .bool, "eva", "orthogonal", "mica": self = .kaiming
        case "gaussian": self = .gaussian
        case "pissa": self = .pissa()
        case "olora": self = .olora
        case "loftq": self = .loftQ()
        case .string(let name) where name.hasPrefix("pissa_niter_") && Int(name.dropFirst(12)).map { $0 >= 0 } == true:
            self = .pissa(iterations: Int(name.dropFirst(12)))
        default:
            // CorDA and LoRA-GA take parts out of the base layers that depend on data, which nothing here holds.
            throw .unsupported(
                path: fields.path,
                "has init_lora_weights \(value.compactText), which is not implemented; convert the adapter to plain LoRA "
                    + "(save_pretrained with path_initial_model_for_weight_conversion)")
        }
    }
}

extension ConfigurationFields {
    /// Whether the field says anything: neither null nor false, and not empty.
    fileprivate func isSet(_ key: String) -> Bool {
        switch object[key] ?? .null {
        case .null, .bool(false), .string(""), .array([]): false
        case .object(let object): !object.isEmpty
        default: true
        }
    }
}
