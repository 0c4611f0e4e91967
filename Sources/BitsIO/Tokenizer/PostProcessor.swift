/// What is put around a text's tokens, or those of a pair: the `post_processor` of tokenizer.json.
struct PostProcessor: Sendable {
    private enum Part {
        case tokens([Int32], segment: Int32)
        case text(Int, segment: Int32)
    }

    private struct Template {
        var single: [Part]
        var pair: [Part]
    }

    private var template: Template?
    /// Whether both texts are segment 0 also without the tokens around them.
    private var hasOneSegment = false

    private static let known = ["BertProcessing", "ByteLevel", "RobertaProcessing", "Sequence", "TemplateProcessing"]

    /// Puts nothing.
    init() {}

    init(_ fields: ConfigurationFields) throws(ModelFileError) {
        switch try fields.require("type", as: String.self) {
        case "Sequence":
            for part in try fields.sections("processors") {
                let next = try PostProcessor(part)
                guard template == nil || next.template == nil else {
                    throw .unsupported(path: fields.path, "has two templates in its post_processor; one was expected")
                }
                template = next.template ?? template
                hasOneSegment = hasOneSegment || next.hasOneSegment
            }
        case "ByteLevel": break  // concerns only where tokens lie in the text
        case "BertProcessing": template = try PostProcessor.classification(fields, separators: 1, second: 1)
        case "RobertaProcessing":
            template = try PostProcessor.classification(fields, separators: 2, second: 0)
            hasOneSegment = true
        case "TemplateProcessing":
            let single = try PostProcessor.parts("single", fields)
            let pair: [Part] = try fields.contains("pair") ? PostProcessor.parts("pair", fields) : [.text(0, segment: 0), .text(1, segment: 1)]
            func count(_ parts: [Part], _ index: Int) -> Int { parts.count { if case .text(index, _) = $0 { true } else { false } } }
            guard count(single, 0) == 1, count(single, 1) == 0, count(pair, 0) <= 1, count(pair, 1) <= 1 else {
                throw fields.error("has a template with a text \(count(single, 0)) times; once was expected")
            }
            template = Template(single: single, pair: pair)
        case let type: throw fields.unsupportedComponent("post_processor", type, known: PostProcessor.known)
        }
    }

    /// `cls A sep`, and for pairs one or two separators between.
    private static func classification(_ fields: ConfigurationFields, separators: Int, second: Int32) throws(ModelFileError) -> Template {
        func id(_ key: String) throws(ModelFileError) -> Int32 {
            guard case .array(let pair) = fields.object[key], pair.count == 2, let id = Int32(pair[1]), 0..<Int32(Vocabulary.maximumID) ~= id else {
                throw fields.error("needs a token and its id as '\(key)' in its post_processor")
            }
            return id
        }
        let (start, end) = (try id("cls"), try id("sep"))
        let single: [Part] = [.tokens([start], segment: 0), .text(0, segment: 0), .tokens([end], segment: 0)]
        let between: [Part] = separators == 2 ? [.tokens([end], segment: second)] : []
        return Template(single: single, pair: single + between + [.text(1, segment: second), .tokens([end], segment: second)])
    }

    private static func parts(_ key: String, _ fields: ConfigurationFields) throws(ModelFileError) -> [Part] {
        let special = try fields.section("special_tokens")
        var parts = [Part]()
        for part in try fields.sections(key) {
            if let token = try part.section("SpecialToken") {
                let name = try token.require("id", as: String.self)
                guard let ids = try special?.section(name)?.require("ids", as: [Int].self), ids.allSatisfy({ 0..<Vocabulary.maximumID ~= $0 })
                else {
                    throw fields.error("puts the token '\(name)' around text but gives no ids for it")
                }
                parts.append(.tokens(ids.map { Int32($0) }, segment: try token.value("type_id", default: 0)))
            } else {
                let text = try part.section("Sequence")
                let name = try text?.value("id", default: "A") ?? "A"
                guard name == "A" || name == "B" else { throw fields.error("has the text '\(name)' in a template; A or B was expected") }
                parts.append(.text(name == "A" ? 0 : 1, segment: try text?.value("type_id", default: 0) ?? 0))
            }
        }
        return parts
    }

    /// How many tokens are put around one text, or a pair.
    func addedCount(isPair: Bool) -> Int {
        guard let template else { return 0 }
        return (isPair ? template.pair : template.single).reduce(0) { count, part in
            if case .tokens(let ids, _) = part { count + ids.count } else { count }
        }
    }

    /// The texts' tokens one after the other, with the special ones around where they are wanted.
    func apply(_ texts: [[Int32]], addsSpecialTokens: Bool) -> EncodedText {
        var result = EncodedText()
        guard let template, addsSpecialTokens || !hasOneSegment else {
            for (index, text) in texts.enumerated() { result.append(EncodedText(text, segment: hasOneSegment ? 0 : Int32(index))) }
            return result
        }
        for part in texts.count == 1 ? template.single : template.pair {
            switch part {
            case .tokens(let ids, let segment): if addsSpecialTokens { result.append(EncodedText(ids, segment: segment, isTemplate: true)) }
            case .text(let index, let segment): result.append(EncodedText(texts[index], segment: segment))
            }
        }
        return result
    }

    /// One text's tokens with the special ones around.
    func apply(_ tokens: [Int32]) -> [Int32] {
        guard let template else { return tokens }
        return template.single.flatMap { part in
            switch part {
            case .tokens(let special, _): special
            case .text: tokens
            }
        }
    }
}
