public import BitsIO
public import BitsModels

/// How examples become tokens for a model: with its begin and end token, cut to a length, and with what is learned marked.
public struct ExampleEncoder: Sendable {
    public let tokenizer: Tokenizer
    /// How the model wants conversations written; nil where it was not made for them.
    public var template: ChatTemplate? {
        didSet { templateFault = nil }
    }
    /// Why the model's template cannot be read: told of the first conversation, as nothing else needs one.
    private var templateFault: ModelFileError?
    /// What stands before every example and behind it; nil for nothing.
    public var beginToken: Int32?
    public var endToken: Int32?
    /// Tokens of an example at most, at least 2.
    public var maximumLength: Int
    public var truncation: Truncation
    /// Whether prompts are learned too.
    public var learnsPrompts: Bool

    public init(
        tokenizer: Tokenizer, template: ChatTemplate? = nil, beginToken: Int32? = nil, endToken: Int32? = nil, maximumLength: Int,
        truncation: Truncation = .keepStart,
        learnsPrompts: Bool = false
    ) {
        precondition(maximumLength >= 2, "examples of at most \(maximumLength) tokens: one to learn from, and one to learn, are the least")
        self.tokenizer = tokenizer
        self.template = template
        self.beginToken = beginToken
        self.endToken = endToken
        self.maximumLength = maximumLength
        self.truncation = truncation
        self.learnsPrompts = learnsPrompts
    }

    /// Examples as the model in `folder` reads texts, and conversations where it has a template for them.
    ///
    /// - Parameter generation: what the folder says of begin and end.
    public init(
        _ folder: ModelFolder, _ generation: GenerationConfiguration, tokenizer: Tokenizer, maximumLength: Int,
        truncation: Truncation = .keepStart, learnsPrompts: Bool = false
    ) {
        self.init(
            tokenizer: tokenizer, beginToken: generation.beginToken, endToken: generation.endTokens.first, maximumLength: maximumLength,
            truncation: truncation, learnsPrompts: learnsPrompts)
        do throws(ModelFileError) { template = try ChatTemplate.ifPresent(in: folder) } catch { templateFault = error }
    }

    /// Examples as `loaded` reads texts, and conversations where it has a template for them.
    ///
    /// - Parameter maximumLength: nil for all that the model was made for.
    public init(
        for loaded: LoadedModel, tokenizer: Tokenizer, maximumLength: Int? = nil, truncation: Truncation = .keepStart, learnsPrompts: Bool = false
    ) {
        self.init(
            loaded.folder, loaded.generation, tokenizer: tokenizer, maximumLength: maximumLength ?? loaded.model.contextLength,
            truncation: truncation, learnsPrompts: learnsPrompts)
    }

    /// Begin token, text, end token; prompt and completion are tokenized apart. A conversation is what the template makes of it.
    ///
    /// - Throws: ``BitsIO/ModelFileError`` for a conversation that the template refuses, or where there is none that can be read.
    public func tokens(of text: TrainingText) throws(ModelFileError) -> TokenizedExample {
        let begin = beginToken.map { [$0] } ?? []
        let end = endToken.map { [$0] } ?? []
        let example: TokenizedExample
        switch text {
        case .text(let text):
            let ids = begin + tokenizer.encode(text, addsSpecialTokens: false) + end
            example = TokenizedExample(ids: ids, completionStart: 0)
        case .completion(let prompt, let completion):
            let start = begin + tokenizer.encode(prompt, addsSpecialTokens: false)
            let ids = start + tokenizer.encode(completion, addsSpecialTokens: false) + end
            example = TokenizedExample(ids: ids, completionStart: learnsPrompts ? 0 : start.count)
        case .conversation(let messages, let tools):
            if let templateFault { throw .malformed(path: "", "has 'messages', and the model's chat template cannot be used: \(templateFault)") }
            guard let template else {
                throw .malformed(
                    path: "", "has 'messages', but the model has no chat template; give 'prompt' and 'completion', or a model made for conversations")
            }
            let tokens = try template.tokensWithAssistant(messages, tokenizer: tokenizer, ChatTemplate.Options(tools: tools))
            example = TokenizedExample(ids: tokens.ids, learned: learnsPrompts ? [0..<tokens.ids.count] : tokens.assistant)
        }
        return example.truncated(to: maximumLength, truncation)
    }
}
