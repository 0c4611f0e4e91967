public import BitsIO
public import BitsModels
import BitsNN

/// A model and its tokenizer: text in, text out.
public struct TextCompletion {
    public let model: any CausalLanguageModel
    public let tokenizer: Tokenizer

    /// A continuation as text.
    public struct Result: Sendable {
        public var text: String
        public var generation: GenerationResult
        /// Whether it ended with an end token, and not because there was no more room.
        public var reachedEnd: Bool
    }

    public init(_ loaded: LoadedModel, tokenizer: Tokenizer) {
        model = loaded.model
        self.tokenizer = tokenizer
    }

    /// What a user should be told; nil when the model knows every token. A token more, often one for padding, does no harm until a prompt has it.
    public var warning: String? {
        guard tokenizer.vocabularySize > model.vocabularySize else { return nil }
        return
            "tokenizer.json has \(tokenizer.vocabularySize) tokens, the model knows \(model.vocabularySize); a prompt with one of the others is refused"
    }

    /// Continues `prompt`, which gets the special tokens that the tokenizer's template puts around it.
    ///
    /// - Parameter onText: takes the text piece by piece as it settles; when it throws, generation ends.
    /// - Throws: ``GenerationError``, or what `onText` throws.
    public func callAsFunction(
        _ prompt: String, options: GenerationOptions, onText: (String) throws(ModelFileError) -> Void = { _ in }
    ) throws -> Result {
        var stream = tokenizer.stream()
        var text = ""
        var problem: ModelFileError?
        func take(_ piece: String) -> Bool {
            text += piece
            do {
                if !piece.isEmpty { try onText(piece) }
            } catch { problem = error }
            return problem == nil
        }
        let generation = try model.generate(tokenizer.encode(prompt), options: options) { token in
            options.endTokens.contains(token) || take(stream.append(token))
        }
        if problem == nil { _ = take(stream.finish()) }
        if let problem { throw problem }
        return Result(text: text, generation: generation, reachedEnd: generation.tokens.last.map(options.endTokens.contains) ?? false)
    }
}
