public import BitsCore
import BitsNN

/// Why a continuation could not be generated.
public enum GenerationError: Error, Equatable, Sendable {
    case emptyPrompt
    case promptTooLong(tokens: Int, context: Int)
    /// The prompt has a token that the model has no vector for.
    case unknownToken(Int32, vocabulary: Int)
    /// No logit of the token at this position, counted from 0, is a number.
    case notANumber(position: Int)
    case badOption(String)
    case device(DeviceError)
}

extension GenerationError: CustomStringConvertible {
    public var description: String {
        switch self {
        case .emptyPrompt: "the prompt has no tokens; give at least one word"
        case .promptTooLong(let tokens, let context):
            "the prompt has \(tokens) tokens, the model's context holds \(context) with the answer; shorten the prompt to at most \(context - 1) tokens"
        case .unknownToken(let token, let vocabulary):
            "the prompt has token \(token), the model knows 0 to \(vocabulary - 1); use the tokenizer that belongs to the model"
        case .notANumber(let position):
            "the model computes no numbers (NaN) for token \(position); its weights are damaged or do not belong to its config.json, download it again"
        case .badOption(let problem): problem
        case .device(let error): error.description
        }
    }
}

/// What was generated, and how fast.
public struct GenerationResult: Sendable {
    /// Why there are no more tokens.
    public enum Ending: Sendable, Equatable {
        /// The last token is an end token.
        case endToken
        /// The caller had enough.
        case stopped
        /// As many as were asked for, or as the context holds.
        case length
    }

    /// The new tokens, with the end token if there was one.
    public var tokens: [Int32] = []
    public var ending = Ending.length
    public var promptTokens: Int
    /// Those of the prompt that were kept of an earlier text and not read again.
    public var keptTokens = 0
    /// Until the first token (of several prompts: of each of them), and from there to the last.
    public var prefillTime = Duration.zero
    public var decodeTime = Duration.zero

    /// New tokens a second after the first.
    public var tokensPerSecond: Double {
        let seconds = decodeTime / .seconds(1)
        return tokens.count > 1 && seconds > 0 ? Double(tokens.count - 1) / seconds : 0
    }
}

extension CausalLanguageModel {
    /// Continues `prompt`, token by token; ends at an end token, at `maxNewTokens`, at the end of the context, or when `onToken` returns false.
    ///
    /// - Parameter kept: what is left of the text before, and will be of this one; nil (the default) reads all of the prompt.
    /// - Throws: ``GenerationError`` for an empty prompt, one that fills the context or has a token that the model does not know, options out of range,
    ///   and a model that computes NaN.
    public func generate(
        _ prompt: [Int32], options: GenerationOptions = GenerationOptions(), keeping kept: KeptText? = nil,
        onToken: (Int32) -> Bool = { _ in true }
    ) throws(GenerationError) -> GenerationResult {
        try generate([prompt], options: options, keeping: kept) { onToken($1) }[0]
    }

    /// Continues several prompts together, each to its own end. Every continuation is the one that its prompt has alone with its own seed, but for the
    /// rounding of products of several rows, which may decide between tokens that are about equally likely, and for int8's outlier columns, which are those of
    /// all rows that are multiplied together.
    ///
    /// - Parameters:
    ///   - kept: for one prompt alone.
    ///   - onToken: takes a prompt's number and its next token; when it returns false, this continuation ends.
    /// - Throws: ``GenerationError``, as for one prompt.
    public func generate(
        _ prompts: [[Int32]], options: GenerationOptions = GenerationOptions(), keeping kept: KeptText? = nil,
        onToken: (_ prompt: Int, _ token: Int32) -> Bool = { _, _ in true }
    ) throws(GenerationError) -> [GenerationResult] {
        precondition(kept == nil || prompts.count == 1, "one text can be kept, not \(prompts.count)")
        try check(prompts, options)
        let rooms = prompts.map { min(options.maxNewTokens, contextLength - $0.count) }
        let clock = ContinuousClock()
        let start = clock.now
        var results = prompts.map { GenerationResult(promptTokens: $0.count) }
        var running = rooms.indices.filter { rooms[$0] > 0 }
        guard !running.isEmpty else { return results }
        let cache =
            kept?.cache(of: self, for: prompts[0], dtype: options.cacheType)
            ?? makeCache(sequences: prompts.count, capacity: zip(prompts, rooms).map { $0.count + $1 }.max() ?? 0, dtype: options.cacheType)
        results[0].keptTokens = cache.length
        let decoder = Decoder(
            self, sampling: options.sampling, seeds: prompts.indices.map { options.seed &+ UInt64($0) }, continuing: cache)
        decoder.start(with: prompts)

        /// Has the next tokens computed, of those sequences that have room for more than `ahead` after the tokens that were taken.
        func next(ahead: Int) -> LateReading? {
            let full = running.filter { results[$0].tokens.count + ahead >= rooms[$0] }
            guard full.count < running.count else { return nil }
            full.forEach(decoder.end)
            decoder.step()
            return decoder.latest()
        }
        let ends = options.endTokens ?? endTokens
        var latest = Optional(decoder.latest())
        while let tokens = latest {
            // The device goes on before the host looks at what it drew, unless that is here already.
            let following = tokens.isReady ? nil : next(ahead: 1)
            let drawn: [Int]
            do { drawn = try tokens.integers() } catch { throw .device(error) }
            var going: [Int] = []
            for sequence in running {
                guard let token = Int32(exactly: drawn[sequence]), token >= 0 else {
                    throw .notANumber(position: prompts[sequence].count + results[sequence].tokens.count)
                }
                if results[sequence].tokens.isEmpty { results[sequence].prefillTime = clock.now - start }
                results[sequence].tokens.append(token)
                let isWanted = onToken(sequence, token)
                if isWanted && !ends.contains(token) && results[sequence].tokens.count < rooms[sequence] {
                    going.append(sequence)
                } else {
                    results[sequence].ending = ends.contains(token) ? .endToken : isWanted ? .length : .stopped
                    results[sequence].decodeTime = clock.now - start - results[sequence].prefillTime
                    decoder.end(sequence)
                }
            }
            running = going
            latest = running.isEmpty ? nil : following ?? next(ahead: 0)
        }
        kept?.keep(prompts[0] + results[0].tokens.dropLast())
        return results
    }

    private func check(_ prompts: [[Int32]], _ options: GenerationOptions) throws(GenerationError) {
        for prompt in prompts {
            if prompt.isEmpty { throw .emptyPrompt }
            if prompt.count >= contextLength { throw .promptTooLong(tokens: prompt.count, context: contextLength) }
            if let token = prompt.first(where: { $0 < 0 || Int($0) >= vocabularySize }) { throw .unknownToken(token, vocabulary: vocabularySize) }
        }
        if let problem = options.problem { throw .badOption(problem) }
        if !options.stopStrings.isEmpty { throw .badOption("stop strings are found in text; generate with TextCompletion") }
    }
}
