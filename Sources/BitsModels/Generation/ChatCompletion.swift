public import BitsIO

/// A model that answers: its text completion, and the template that it was made to hold conversations in.
public struct ChatCompletion {
    public let completion: TextCompletion
    public let template: ChatTemplate

    public init(_ completion: TextCompletion, template: ChatTemplate) {
        self.completion = completion
        self.template = template
    }

    /// Tokens that end a turn: those that end a text by the model's files, and the end token that the template writes.
    public var endTokens: Set<Int32> {
        let written = template.specialTokens["eos_token"].flatMap { completion.tokenizer.id(of: $0) }
        return completion.model.endTokens.union(written.map { [$0] } ?? [])
    }

    /// What the model reads before it answers.
    ///
    /// - Parameter tools: functions that it may call, as JSON schemas.
    public func prompt(_ messages: [ChatMessage], tools: [JSONValue]? = nil) throws(ModelFileError) -> [Int32] {
        try template.tokens(messages, tokenizer: completion.tokenizer, ChatTemplate.Options(tools: tools))
    }

    /// The answer to the last of `messages`.
    ///
    /// - Parameters:
    ///   - options: whose end tokens are ``endTokens`` unless given.
    ///   - kept: what the model knows of the conversation already, see ``KeptText``; nil (the default) reads all of it.
    ///   - onText: takes the answer piece by piece; when it throws, generation ends.
    ///   - isWanted: is asked at every token; when it says no, the answer ends there.
    /// - Throws: ``BitsIO/ModelFileError`` when the template refuses the conversation, ``GenerationError``, or what `onText` throws.
    public func callAsFunction(
        _ messages: [ChatMessage], options: GenerationOptions = GenerationOptions(), keeping kept: KeptText? = nil,
        onText: (String) throws(ModelFileError) -> Void = { _ in }, while isWanted: () -> Bool = { true }
    ) throws -> TextCompletion.Result {
        var options = options
        options.endTokens = options.endTokens ?? endTokens
        return try completion(
            tokens: [try prompt(messages)], options: options, keeping: kept, onText: { (_, text) throws(ModelFileError) in try onText(text) },
            while: isWanted)[0]
    }
}
