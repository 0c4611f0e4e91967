import BitsCore
import BitsIO
import BitsKernels
import BitsSystem
import BitsTemplate
import Testing
import _BitsTestSupport

@Suite("Parity: chat templates")
struct ChatTemplateParityTests {
    private static var folder: String { "\(ParityCases.folder)/chat" }

    @Test("Conversations are written as transformers writes them, by every recorded template")
    func conversations() throws {
        let source = try ConfigurationFields(MappedFile(path: "\(ChatTemplateParityTests.path(of: "conversations.json"))"))
        let recorded = try ConfigurationFields(MappedFile(path: "\(ChatTemplateParityTests.folder)/answers.json"))
        let formats = try recorded.require("strftime", as: JSONObject.self)
        guard case .object(let answers)? = recorded.object["answers"] else { throw recorded.error("has no 'answers'") }
        var cases: [(name: String, template: String, conversation: String, answer: ConfigurationFields)] = []
        for name in answers.keys {
            let file = try MappedFile(path: "\(ChatTemplateParityTests.folder)/templates/\(name)")
            let text = String(decoding: file.bytes(in: 0..<file.byteCount), as: UTF8.self)
            guard case .object(let byConversation)? = answers[name] else { throw recorded.error("has no answers of \(name)") }
            for title in byConversation.keys {
                guard case .object(let answer)? = byConversation[title] else { throw recorded.error("has no answer to \(title)") }
                cases.append((name, text, title, ConfigurationFields(answer, path: recorded.path)))
            }
        }
        try ParityTally.compare("chat templates", cases) { example in
            let (messages, options) = try conversation(example.conversation, source)
            try compare(example.answer, "\(example.name), \(example.conversation)", formats) {
                try ChatTemplate(example.template, specialTokens: try tokens(source)).rendered(messages, options, strftime: $0)
            }
            return nil
        }
    }

    @Test("The template language gives what Jinja gives, piece by piece")
    func language() throws {
        let source = try ConfigurationFields(MappedFile(path: "\(ChatTemplateParityTests.path(of: "conversations.json"))"))
        guard case .array(let cases) = try JSONValue(MappedFile(path: ChatTemplateParityTests.path(of: "language.json"))) else {
            throw source.error("no cases")
        }
        let (messages, options) = try conversation("tool call", source)
        try ParityTally.compare("template language", cases) { example in
            guard case .object(let fields) = example else { throw source.error("holds a case that is no object") }
            let answer = ConfigurationFields(fields, path: "language.json")
            let template = try answer.require("template", as: String.self)
            let formats: JSONObject = ["%Y-%m-%d %H:%M": "2026-03-04 05:06", "%d %b %Y": "04 Mar 2026"]
            try compare(answer, template, formats) {
                try ChatTemplate(template, specialTokens: try tokens(source)).rendered(messages, options, strftime: $0)
            }
            return nil
        }
    }

    @Test("The tokens that the assistant wrote are those that transformers masks")
    func masks() throws {
        let source = try ConfigurationFields(MappedFile(path: "\(ChatTemplateParityTests.path(of: "conversations.json"))"))
        let template = try ChatTemplate(
            try TextInput.read(ChatTemplateParityTests.path(of: "templates/own-marked.jinja")), specialTokens: try tokens(source))
        guard case .array(let cases) = try JSONValue(MappedFile(path: ChatTemplateParityTests.path(of: "masks.json"))) else {
            throw source.error("no cases")
        }
        try ParityTally.compare("assistant masks", cases) { example in
            guard case .object(let object) = example else { throw source.error("holds a case that is no object") }
            let answer = ConfigurationFields(object, path: "masks.json")
            let (model, title) = (try answer.require("model", as: String.self), try answer.require("conversation", as: String.self))
            let models = ChatTemplateParityTests.path(of: "masks.json").split(separator: "/").dropLast(2).reduce("") { "\($0)/\($1)" } + "/models"
            let tokenizer = try Tokenizer(ModelFolder(path: "\(models)/\(model)/model"))
            let tokens = try template.tokensWithAssistant(try conversation(title, source).0, tokenizer: tokenizer)
            #expect(tokens.ids == (try answer.require("ids")), "\(model), \(title)")
            let mask = tokens.ids.indices.map { place in tokens.assistant.contains { $0.contains(place) } ? 1 : 0 }
            #expect(mask == (try answer.require("mask")), "\(model), \(title)")
            return nil
        }
    }

    /// In the folder of recorded answers, or beside the tests where another folder has none.
    private static func path(of name: String) -> String {
        let own = "\(folder)/\(name)"
        if FileSystem.kind(of: own) == .file { return own }
        return #filePath.split(separator: "/").dropLast().reduce("") { "\($0)/\($1)" } + "/Cases/chat/\(name)"
    }

    private func compare(
        _ answer: ConfigurationFields, _ name: String, _ formats: JSONObject, _ render: (@escaping (String) -> String) throws -> Template.Rendered
    ) throws {
        func strftime(_ format: String) -> String { if case .string(let text)? = formats[format] { text } else { "?" } }
        do {
            let rendered = try render(strftime)
            guard let text = try answer.optional("text", as: String.self) else {
                Issue.record(
                    "\(name): was to fail, as '\(answer.object["raised"] ?? answer.object["failed"] ?? .null)', and gives '\(rendered.text)'")
                return
            }
            #expect(rendered.text.utf8.elementsEqual(text.utf8), "\(name): \(rendered.text.debugDescription), not \(text.debugDescription)")
            if let generations = try answer.optional("generations", as: [[Int]].self) {
                #expect(rendered.generations.map { [$0.lowerBound, $0.upperBound] } == generations, "\(name)")
            }
        } catch let error as ModelFileError {
            #expect(!answer.contains("text"), "\(name): \(error)")
            if let message = try answer.optional("raised", as: String.self) { #expect("\(error)".contains(message), "\(name): \(error)") }
        }
    }

    private func tokens(_ source: ConfigurationFields) throws -> [String: String] {
        let object = try source.require("tokens", as: JSONObject.self)
        return try Dictionary(uniqueKeysWithValues: object.keys.map { ($0, try ConfigurationFields(object, path: source.path).require($0)) })
    }

    private func conversation(_ title: String, _ source: ConfigurationFields) throws -> ([ChatMessage], ChatTemplate.Options) {
        guard let all = try source.section("conversations"), let fields = try all.section(title), let tools = try source.section("tools") else {
            throw source.error("has no conversation '\(title)'")
        }
        var options = ChatTemplate.Options(addsGenerationPrompt: try fields.value("add_generation_prompt", default: true))
        options.tools = try fields.optional("tools", as: [String].self)?.compactMap { tools.object[$0] }
        options.documents = try fields.optional("documents", as: [JSONObject].self)?.map { .object($0) }
        options.variables = try fields.value("variables", default: JSONObject())
        return (try fields.require("messages"), options)
    }
}
