public import BitsIO

/// An example as people write it: an object in a line of a file.
public enum TrainingText: Sendable, Equatable {
    /// A text, all of which is learned: `{"text": ...}`.
    case text(String)
    /// A question and the answer that is to be learned: `{"prompt": ..., "completion": ...}`.
    case completion(prompt: String, completion: String)
    /// A conversation, of which what the assistant says is learned: `{"messages": [{"role": ..., "content": ...}, ...]}`, with `tools` if there are any.
    case conversation([ChatMessage], tools: [JSONValue]? = nil)

    /// The kinds of examples, in words for errors.
    static let expectation = "'text', 'prompt' and 'completion', or 'messages'"

    /// - Parameter place: file and line, for errors.
    /// - Throws: ``BitsIO/ModelFileError/malformed(path:_:)`` when the keys are of no kind of example, a value is no text, or nothing is to be learned.
    init(_ object: JSONObject, place: String) throws(ModelFileError) {
        func text(_ key: String) throws(ModelFileError) -> String {
            guard case .string(let text)? = object[key] else { throw .malformed(path: place, "has no text in '\(key)'") }
            return text
        }
        if let messages = object["messages"] {
            var tools: [JSONValue]?
            if case .array(let given)? = object["tools"] { tools = given }
            self = .conversation(try ChatMessage.list(messages, path: place), tools: tools)
        } else if object["completion"] != nil || object["prompt"] != nil {
            self = .completion(prompt: try text("prompt"), completion: try text("completion"))
        } else if object["text"] != nil {
            self = .text(try text("text"))
        } else {
            let keys = object.keys.prefix(8).map { "'\($0)'" }.joined(separator: ", ")
            throw .malformed(path: place, "has \(keys.isEmpty ? "no keys" : "the keys \(keys)"); \(TrainingText.expectation) were expected")
        }
        switch self {
        case .text(""): throw .malformed(path: place, "has an empty 'text'; remove the example, or fill it in")
        case .completion(_, ""): throw .malformed(path: place, "has an empty 'completion', so nothing to learn; remove the example, or fill it in")
        default: break
        }
    }
}
