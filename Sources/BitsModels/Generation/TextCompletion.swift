public import BitsIO

/// A model and its tokenizer: text in, text out.
public struct TextCompletion {
    public let model: CausalLanguageModel
    public let tokenizer: Tokenizer

    /// A continuation as text.
    public struct Result: Sendable {
        /// Without end token and stop string.
        public var text: String
        public var generation: GenerationResult
        /// Whether the text ended by itself, with an end token or a stop string, and not because there was no more room.
        public var reachedEnd: Bool { generation.ending != .length }
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
        _ prompt: String, options: GenerationOptions = GenerationOptions(), onText: (String) throws(ModelFileError) -> Void = { _ in }
    ) throws -> Result {
        try self([prompt], options: options) { (_, text) throws(ModelFileError) in try onText(text) }[0]
    }

    /// Continues several prompts together, each to its own end; every text is the one that its prompt has alone, but for the rounding of products of
    /// several rows and int8's outlier columns, which are those of all rows that are multiplied together.
    ///
    /// - Parameter onText: takes a prompt's number and the next piece of its continuation; when it throws, generation ends.
    /// - Throws: ``GenerationError``, or what `onText` throws.
    public func callAsFunction(
        _ prompts: [String], options: GenerationOptions = GenerationOptions(),
        onText: (_ prompt: Int, _ text: String) throws(ModelFileError) -> Void = { _, _ in }
    ) throws -> [Result] {
        try self(tokens: prompts.map { tokenizer.encode($0) }, options: options, onText: onText)
    }

    /// Continues prompts that are tokens already, as those of a conversation.
    ///
    /// - Parameters:
    ///   - kept: for one prompt alone, see ``KeptText``.
    ///   - onText: takes a prompt's number and the next piece of its continuation; when it throws, generation ends.
    ///   - isWanted: is asked at every token; when it says no, the texts end there.
    /// - Throws: ``GenerationError``, or what `onText` throws.
    public func callAsFunction(
        tokens prompts: [[Int32]], options: GenerationOptions = GenerationOptions(), keeping kept: KeptText? = nil,
        onText: (_ prompt: Int, _ text: String) throws(ModelFileError) -> Void = { _, _ in }, while isWanted: () -> Bool = { true }
    ) throws -> [Result] {
        if let problem = options.problem { throw GenerationError.badOption(problem) }
        var texts = prompts.map { _ in Text(stream: tokenizer.stream(), stops: StopStrings(options.stopStrings)) }
        var problem: ModelFileError?
        func give(_ piece: String, of prompt: Int) {
            texts[prompt].whole += piece
            do {
                if problem == nil && !piece.isEmpty { try onText(prompt, piece) }
            } catch { problem = error }
        }
        let ends = options.endTokens ?? model.endTokens
        var tokenOptions = options
        tokenOptions.stopStrings = []
        let generations = try model.generate(prompts, options: tokenOptions, keeping: kept) { prompt, token in
            if !ends.contains(token) { give(texts[prompt].append(token), of: prompt) }
            return problem == nil && !texts[prompt].stops.isFound && isWanted()
        }
        for prompt in texts.indices { give(texts[prompt].finish(), of: prompt) }
        if let problem { throw problem }
        return zip(texts, generations).map { Result(text: $0.whole, generation: $1) }
    }

    /// A continuation that grows.
    private struct Text {
        var stream: TokenStream
        var stops: StopStrings
        var whole = ""

        mutating func append(_ token: Int32) -> String { stops.append(stream.append(token)) }

        mutating func finish() -> String { stops.append(stream.finish()) + stops.finish() }
    }
}
