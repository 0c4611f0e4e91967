import ArgumentParser
import BitsIO

/// How conversations are written for the model.
struct TemplateOptions: ParsableArguments {
    @Option(
        help: ArgumentHelp(
            "A chat template in Jinja, as a file; or the name of one of the model's. (default: the model's own)", valueName: "file"))
    var chatTemplate: String?

    /// The template for the model in `folder`.
    func template(_ folder: ModelFolder, hasTools: Bool = false) throws -> ChatTemplate {
        guard let chatTemplate else { return try ChatTemplate(folder, hasTools: hasTools) }
        if !chatTemplate.contains("/"), !chatTemplate.contains("."), let named = try ChatTemplate.ifPresent(in: folder, named: chatTemplate) {
            return named
        }
        let tokens = try ChatTemplate.specialTokens(folder)
        return try ChatTemplate(try TextInput.read(chatTemplate), specialTokens: tokens, path: chatTemplate)
    }
}

/// A conversation in a file: a JSON list of messages, or an object with `messages` and perhaps `tools`.
struct MessageFile {
    let messages: [ChatMessage]
    let tools: [JSONValue]?

    init(_ path: String) throws {
        let name = path == "-" ? "standard input" : path
        let json = try JSONValue(parsing: Array(try TextInput.read(path).utf8), path: name)
        messages = try ChatMessage.list(json, path: name)
        guard case .object(let object) = json, let given = object["tools"], given != .null else {
            tools = nil
            return
        }
        guard case .array(let list) = given, list.allSatisfy({ if case .object = $0 { true } else { false } }) else {
            throw ModelFileError.malformed(path: name, "has something other than a list of JSON schemas as 'tools'")
        }
        tools = list
    }
}
