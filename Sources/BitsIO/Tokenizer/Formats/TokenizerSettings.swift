/// What the files beside a vocabulary say of its use: tokenizer_config.json, special_tokens_map.json, added_tokens.json and config.json.
struct TokenizerSettings {
    /// tokenizer_config.json; without fields where it is not there.
    let fields: ConfigurationFields
    let family: TokenizerFamily?
    let modelType: String?
    private let specialTokens: ConfigurationFields
    private let addedTokens: ConfigurationFields

    /// The names of special tokens, in the order that they are added in.
    private static let names = ["bos_token", "eos_token", "unk_token", "sep_token", "pad_token", "cls_token", "mask_token"]

    init(_ folder: ModelFolder) throws(ModelFileError) {
        func read(_ name: String) throws(ModelFileError) -> ConfigurationFields {
            guard let file = try folder.fileIfPresent(name) else { return ConfigurationFields(JSONObject(), path: "\(folder)/\(name)") }
            return try ConfigurationFields(file)
        }
        fields = try read("tokenizer_config.json")
        specialTokens = try read("special_tokens_map.json")
        addedTokens = try read("added_tokens.json")
        modelType = try read("config.json").optional("model_type")
        let className = try fields.optional("tokenizer_class", as: String.self)
        if let className, TokenizerFamily.isUnread(className) {
            throw .unsupported(
                path: fields.path,
                "has the tokenizer_class '\(className)', which is read from a tokenizer.json alone; write one with transformers: "
                    + "AutoTokenizer.from_pretrained(folder).save_pretrained(folder)")
        }
        family = TokenizerFamily(className: className, modelType: modelType)
    }

    /// The text of a special token, such as `bos_token`; nil where it has none.
    func special(_ name: String) throws(ModelFileError) -> String? { try token(name)?.require("content") }

    /// A special token with its flags.
    private func token(_ name: String) throws(ModelFileError) -> ConfigurationFields? {
        for source in [fields, specialTokens] {
            switch source.object[name] {
            case .string(let content): return ConfigurationFields(["content": .string(content)], path: source.path)
            case .object(let token): return ConfigurationFields(token, path: source.path)
            default: continue
            }
        }
        return family?.defaultNames[name].map { ConfigurationFields(["content": .string($0)], path: fields.path) }
    }

    /// Fills the ids between a list of ranks and the last token that the files name behind it, as transformers does.
    func addReserved(to list: inout AddedTokenList) throws(ModelFileError) {
        let listed = try fields.value("added_tokens_decoder", default: JSONObject())
        let last = listed.keys.compactMap { Int($0) }.max() ?? 0
        guard last < Vocabulary.maximumID else { throw fields.error("has the added token id \(last), which is out of range") }
        for id in list.nextID..<max(list.nextID, last + 1) where listed["\(id)"] == nil {
            try list.add(ConfigurationFields(["content": .string("<|reserved_token_\(id)|>")], path: fields.path), id: id, isSpecial: true)
        }
    }

    /// Adds the tokens that the files name to those of the vocabulary.
    func addTokens(to list: inout AddedTokenList) throws(ModelFileError) {
        let listed = try fields.value("added_tokens_decoder", default: JSONObject())
        for key in listed.keys.sorted(by: { (Int($0) ?? 0) < (Int($1) ?? 0) }) {
            guard let id = Int(key), case .object(let token) = listed[key] else {
                throw fields.error("has '\(key)' among its added_tokens_decoder; an id and a token were expected")
            }
            try list.add(ConfigurationFields(token, path: fields.path), id: id)
        }
        for content in addedTokens.object.keys {
            try list.add(ConfigurationFields(["content": .string(content)], path: addedTokens.path), id: addedTokens.require(content))
        }
        for name in TokenizerSettings.names {
            if let token = try token(name) { try list.add(token, isSpecial: true) }
        }
        for key in ["additional_special_tokens", "extra_special_tokens"] {
            guard case .array(let tokens) = fields.object[key] ?? specialTokens.object[key] else { continue }
            for case .string(let content) in tokens {
                try list.add(ConfigurationFields(["content": .string(content)], path: fields.path), isSpecial: true)
            }
        }
    }
}
