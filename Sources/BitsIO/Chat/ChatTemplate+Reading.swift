internal import BitsCore

extension ChatTemplate {
    /// Reads the template of a model: `chat_template.jinja`, else `chat_template` in `tokenizer_config.json`, else `chat_template.json`.
    ///
    /// - Parameter name: which of several templates: those that `tokenizer_config.json` lists by name, and the files in `additional_chat_templates`. Without
    ///   it the one called `default` is taken, or `tool_use` where that is there and `hasTools` says so.
    /// - Throws: ``ModelFileError/malformed(path:_:)`` when there is none of that name, or none at all: the model was not made for conversations.
    public init(_ folder: ModelFolder, named name: String? = nil, hasTools: Bool = false) throws(ModelFileError) {
        let texts = try TemplateTexts(folder)
        guard let text = try texts.chosen(name, hasTools: hasTools) else {
            throw .malformed(
                path: "\(folder)", "has no chat template; use a model that was made for conversations, or give it plain text, as 'bnb generate' does")
        }
        try self.init(text, specialTokens: try ChatTemplate.specialTokens(folder), path: texts.path)
    }

    /// The template of a model, as ``init(_:named:hasTools:)`` reads it; nil where the model has none.
    public static func ifPresent(in folder: ModelFolder, named name: String? = nil, hasTools: Bool = false) throws(ModelFileError) -> ChatTemplate? {
        try TemplateTexts(folder).byName.isEmpty ? nil : ChatTemplate(folder, named: name, hasTools: hasTools)
    }

    private static let tokenNames = ["bos_token", "eos_token", "unk_token", "sep_token", "pad_token", "cls_token", "mask_token"]

    /// The special tokens that a model names. Each is a text, or an object with `content`; older models have a file for them alone.
    package static func specialTokens(_ folder: ModelFolder) throws(ModelFileError) -> [String: String] {
        var tokens: [String: String] = [:]
        let configuration = try folder.fileIfPresent("tokenizer_config.json").map { (file) throws(ModelFileError) in try ConfigurationFields(file) }
        let map = try folder.fileIfPresent("special_tokens_map.json").map { (file) throws(ModelFileError) in try ConfigurationFields(file) }
        for name in tokenNames {
            switch configuration?.object[name] ?? map?.object[name] {
            case .string(let text)?: tokens[name] = text
            case .object(let object)?: if case .string(let text)? = object["content"] { tokens[name] = text }
            default: break
            }
        }
        return tokens
    }
}

/// The texts of a model's templates.
private struct TemplateTexts {
    var byName: [String: String] = [:]
    /// The file to name in errors.
    var path: String

    init(_ folder: ModelFolder) throws(ModelFileError) {
        let configuration = try folder.fileIfPresent("tokenizer_config.json").map { (file) throws(ModelFileError) in try ConfigurationFields(file) }
        path = configuration?.path ?? "\(folder)"
        if let file = try folder.fileIfPresent("chat_template.jinja") {
            byName["default"] = try TemplateTexts.text(file)
            path = file.path
        } else if let configuration, configuration.contains("chat_template") {
            try read(configuration)
        } else if let file = try folder.fileIfPresent("chat_template.json") {
            path = file.path
            try read(try ConfigurationFields(file))
        }
        for (name, file) in try folder.files(in: "additional_chat_templates", withSuffix: ".jinja") { byName[name] = try TemplateTexts.text(file) }
    }

    /// The text called `name`, else that for tools where there are some, else the default; nil where there is no text at all.
    func chosen(_ name: String?, hasTools: Bool) throws(ModelFileError) -> String? {
        if byName.isEmpty { return nil }
        let chosen = name ?? (hasTools && byName["tool_use"] != nil ? "tool_use" : "default")
        guard let text = byName[chosen] else {
            throw .malformed(path: path, "has no chat template '\(chosen)'; \(Suggestion.text(for: chosen, among: byName.keys.sorted()))")
        }
        return text
    }

    /// `chat_template` is a text, or a list of `{"name", "template"}`.
    private mutating func read(_ fields: ConfigurationFields) throws(ModelFileError) {
        guard case .array? = fields.object["chat_template"] else {
            byName["default"] = try fields.optional("chat_template", as: String.self)
            return
        }
        for entry in try fields.sections("chat_template") { byName[try entry.require("name")] = try entry.require("template", as: String.self) }
    }

    private static func text(_ file: MappedFile) throws(ModelFileError) -> String {
        guard file.byteCount <= JSONValue.maximumByteCount, let text = String(validating: file.bytes(in: 0..<file.byteCount), as: UTF8.self) else {
            throw .malformed(path: file.path, "is not text in UTF-8 of at most \(JSONValue.maximumByteCount) bytes")
        }
        return text
    }
}
