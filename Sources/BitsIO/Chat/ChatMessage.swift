/// One turn of a conversation.
///
/// What a template reads is its affair: `role` and `content` mostly, `tool_calls`, `reasoning_content` and others with some models. ``fields`` holds whatever
/// there is.
public struct ChatMessage: Sendable, Equatable {
    public var fields: JSONObject

    public init(fields: JSONObject) { self.fields = fields }

    /// - Parameter role: `system`, `user` or `assistant`; some models know more.
    public init(role: String, content: String) {
        fields = ["role": .string(role), "content": .string(content)]
    }

    public static func system(_ content: String) -> ChatMessage { ChatMessage(role: "system", content: content) }
    public static func user(_ content: String) -> ChatMessage { ChatMessage(role: "user", content: content) }
    public static func assistant(_ content: String) -> ChatMessage { ChatMessage(role: "assistant", content: content) }

    /// Who speaks; empty where the message does not say.
    public var role: String {
        if case .string(let role)? = fields["role"] { role } else { "" }
    }
}

extension ChatMessage: ConfigurationValue {
    public static var expectation: String { "a message with 'role'" }

    public init?(_ json: JSONValue) {
        guard case .object(let object) = json, case .string? = object["role"] else { return nil }
        fields = object
    }

    /// The messages in `json`: a list of them, or an object that has one as `messages`.
    ///
    /// - Parameter path: names the text in errors.
    /// - Throws: ``ModelFileError/malformed(path:_:)`` when it is neither, or is empty.
    public static func list(_ json: JSONValue, path: String) throws(ModelFileError) -> [ChatMessage] {
        let list: JSONValue = if case .object(let object) = json { object["messages"] ?? .null } else { json }
        guard case .array(let elements) = list, !elements.isEmpty else {
            throw .malformed(path: path, "holds \(json.kind); a list of messages was expected, as in [{\"role\": \"user\", \"content\": \"Hello\"}]")
        }
        var messages: [ChatMessage] = []
        for (index, element) in elements.enumerated() {
            guard let message = ChatMessage(element) else {
                throw .malformed(path: path, "message \(index + 1) is \(element.kind); \(expectation) was expected")
            }
            messages.append(message)
        }
        return messages
    }
}
