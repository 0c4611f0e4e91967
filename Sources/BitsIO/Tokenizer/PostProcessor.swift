/// What is put around a text's tokens: the `post_processor` of tokenizer.json.
struct PostProcessor: Sendable {
    private enum Part {
        case tokens([Int32])
        case text
    }

    private var templates: [[Part]] = []

    /// Puts nothing.
    init() {}

    init(_ fields: ConfigurationFields) throws(ModelFileError) {
        switch try fields.require("type", as: String.self) {
        case "Sequence":
            for part in try fields.sections("processors") { templates += try PostProcessor(part).templates }
        case "ByteLevel": break  // concerns only where tokens lie in the text
        case "TemplateProcessing":
            let special = try fields.section("special_tokens")
            var parts = [Part]()
            var textCount = 0
            for part in try fields.sections("single") {
                if let token = try part.section("SpecialToken") {
                    let name = try token.require("id", as: String.self)
                    guard let ids = try special?.section(name)?.require("ids", as: [Int].self), ids.allSatisfy({ 0..<Vocabulary.maximumID ~= $0 })
                    else {
                        throw fields.error("puts the token '\(name)' around text but gives no ids for it")
                    }
                    parts.append(.tokens(ids.map { Int32($0) }))
                } else {
                    parts.append(.text)
                    textCount += 1
                }
            }
            guard textCount == 1 else { throw fields.error("has a template with the text \(textCount) times; once was expected") }
            templates = [parts]
        case let type: throw fields.unsupportedComponent("post_processor", type)
        }
    }

    /// `tokens` with the special ones around.
    func apply(_ tokens: [Int32]) -> [Int32] {
        templates.reduce(tokens) { tokens, template in
            template.flatMap { part in
                switch part {
                case .tokens(let special): special
                case .text: tokens
                }
            }
        }
    }
}
