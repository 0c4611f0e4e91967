public import BitsIO
public import BitsModels

/// How examples become tokens for a model: with its begin and end token, cut to a length, and with what is learned marked.
public struct ExampleEncoder: Sendable {
    public let tokenizer: Tokenizer
    /// What stands before every example and behind it; nil for nothing.
    public var beginToken: Int32?
    public var endToken: Int32?
    /// Tokens of an example at most, at least 2.
    public var maximumLength: Int
    public var truncation: Truncation
    /// Whether prompts are learned too.
    public var learnsPrompts: Bool

    public init(
        tokenizer: Tokenizer, beginToken: Int32? = nil, endToken: Int32? = nil, maximumLength: Int, truncation: Truncation = .keepStart,
        learnsPrompts: Bool = false
    ) {
        precondition(maximumLength >= 2, "examples of at most \(maximumLength) tokens: one to learn from, and one to learn, are the least")
        self.tokenizer = tokenizer
        self.beginToken = beginToken
        self.endToken = endToken
        self.maximumLength = maximumLength
        self.truncation = truncation
        self.learnsPrompts = learnsPrompts
    }

    /// Examples as `loaded` reads texts.
    ///
    /// - Parameter maximumLength: nil for all that the model was made for.
    public init(
        for loaded: LoadedModel, tokenizer: Tokenizer, maximumLength: Int? = nil, truncation: Truncation = .keepStart, learnsPrompts: Bool = false
    ) {
        self.init(
            tokenizer: tokenizer, beginToken: loaded.generation.beginToken, endToken: loaded.generation.endTokens.first,
            maximumLength: maximumLength ?? loaded.model.contextLength, truncation: truncation, learnsPrompts: learnsPrompts)
    }

    /// Begin token, text, end token; prompt and completion are tokenized apart.
    public func tokens(of text: TrainingText) -> TokenizedExample {
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
        }
        return example.truncated(to: maximumLength, truncation)
    }
}
