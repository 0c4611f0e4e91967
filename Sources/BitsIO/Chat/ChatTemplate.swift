package import BitsTemplate
internal import BitsSystem

/// How a model wants a conversation written: the Jinja template that comes with it.
///
/// It is rendered as transformers' `apply_chat_template` renders it. A template is a program from somewhere: it is bounded in time, depth and length, and an
/// error names line and column.
///
/// ```swift
/// let template = try ChatTemplate(ModelFolder("organization/name"))
/// let text = try template.text([.system("Be brief."), .user("Why is the sky blue?")])
/// ```
public struct ChatTemplate: Sendable {
    private let template: Template
    /// The template's text.
    public let source: String
    /// `bos_token`, `eos_token` and the others that `tokenizer_config.json` names.
    public let specialTokens: [String: String]
    private let path: String

    /// What else goes into a template.
    public struct Options: Sendable, Equatable {
        /// Functions that the model may call, as JSON schemas; nil for none.
        public var tools: [JSONValue]?
        /// Texts that the answer may be drawn from, with `title` and `text`; nil for none.
        public var documents: [JSONValue]?
        /// Whether the text ends where the answer is to begin.
        public var addsGenerationPrompt: Bool
        /// Other variables, as `enable_thinking`; they go before special tokens.
        public var variables: JSONObject

        public init(tools: [JSONValue]? = nil, documents: [JSONValue]? = nil, addsGenerationPrompt: Bool = true, variables: JSONObject = JSONObject())
        {
            self.tools = tools
            self.documents = documents
            self.addsGenerationPrompt = addsGenerationPrompt
            self.variables = variables
        }
    }

    /// - Parameters:
    ///   - specialTokens: variables by their names, such as `bos_token`.
    ///   - path: names the template in errors.
    /// - Throws: ``ModelFileError/malformed(path:_:)`` or ``ModelFileError/unsupported(path:_:)`` with line and column.
    public init(_ source: String, specialTokens: [String: String] = [:], path: String = "chat template") throws(ModelFileError) {
        do { template = try Template(source) } catch { throw ModelFileError(error, path: path) }
        self.source = source
        self.specialTokens = specialTokens
        self.path = path
    }

    /// What the template writes for `messages`.
    ///
    /// - Throws: ``ModelFileError/malformed(path:_:)`` when there are no messages, or the template refuses them or fails on them, with its own words.
    public func text(_ messages: [ChatMessage], _ options: Options = Options()) throws(ModelFileError) -> String {
        try rendered(messages, options).text
    }

    /// Whether the template says itself what a model is to learn to write.
    var marksGenerations: Bool { template.marksGenerations }

    func refusal(_ reason: String) -> ModelFileError { .malformed(path: path, reason) }

    /// - Parameter strftime: what `strftime_now` gives for a format; the local time unless given.
    package func rendered(
        _ messages: [ChatMessage], _ options: Options, strftime: @escaping (String) -> String = { LocalTime.now($0) }
    ) throws(ModelFileError) -> Template.Rendered {
        do { return try template.rendered(try variables(messages, options), strftime: strftime) } catch { throw ModelFileError(error, path: path) }
    }

    /// Messages lose fields that are null, as what is absent; what a model thought is there under each of the names that templates read it by.
    private func variables(_ messages: [ChatMessage], _ options: Options) throws(ModelFileError) -> [(name: String, value: TemplateValue)] {
        guard !messages.isEmpty else { throw .malformed(path: path, "needs a conversation of at least one message") }
        var variables = specialTokens.map { (name: $0.key, value: TemplateValue.string($0.value)) }
        variables += options.variables.keys.map { ($0, TemplateValue(options.variables[$0] ?? .null)) }
        variables.append(("messages", .list(messages.map { TemplateValue(.object(ChatTemplate.completed($0.fields))) })))
        variables.append(("tools", options.tools.map { .list($0.map(TemplateValue.init)) } ?? .none))
        variables.append(("documents", options.documents.map { .list($0.map(TemplateValue.init)) } ?? .none))
        variables.append(("add_generation_prompt", .bool(options.addsGenerationPrompt)))
        return variables
    }

    private static func completed(_ fields: JSONObject) -> JSONObject {
        func isThere(_ key: String) -> Bool { !(fields[key]?.isNull ?? true) }
        var result = JSONObject()
        guard let thought = ["reasoning_content", "thinking", "reasoning"].first(where: isThere) else {
            for key in fields.keys where isThere(key) { result[key] = fields[key] }
            return result
        }
        result["thinking"] = fields[thought]
        for key in fields.keys where isThere(key) { result[key] = fields[key] }
        result["reasoning_content"] = fields[thought]
        return result
    }
}

extension TemplateValue {
    init(_ json: JSONValue) {
        switch json {
        case .null: self = .none
        case .bool(let value): self = .bool(value)
        case .number(let number): self = number.integer.map { .integer($0) } ?? .float(number.double)
        case .string(let text): self = .string(text)
        case .array(let elements): self = .list(elements.map { TemplateValue($0) })
        case .object(let object):
            var dictionary = TemplateDictionary()
            for key in object.keys { dictionary.set(.string(key), to: TemplateValue(object[key] ?? .null)) }
            self = .dictionary(dictionary)
        }
    }
}

extension ModelFileError {
    fileprivate init(_ error: any Error, path: String) {
        guard let fault = error as? TemplateError else {
            self.init(error, path: path, part: nil)
            return
        }
        self = fault.kind == .unsupported ? .unsupported(path: path, "\(fault)") : .malformed(path: path, "\(fault)")
    }
}
