public import BitsCore
import BitsNN

/// How a continuation is generated.
public struct GenerationOptions: Sendable, Equatable {
    public var maxNewTokens = 128
    public var sampling = SamplingOptions.greedy
    /// Generation ends after one of these tokens.
    public var endTokens: Set<Int32> = []
    public var seed: UInt64 = 0

    public init() {}
}

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
    /// The new tokens, with the end token if there was one.
    public var tokens: [Int32]
    public var promptTokens: Int
    /// The prompt's pass, and all steps after the first token.
    public var prefillTime: Duration
    public var decodeTime: Duration

    /// New tokens a second after the first.
    public var tokensPerSecond: Double {
        let seconds = decodeTime / .seconds(1)
        return tokens.count > 1 && seconds > 0 ? Double(tokens.count - 1) / seconds : 0
    }
}

extension CausalLanguageModel {
    /// Continues `prompt`, token by token; ends at an end token, at `maxNewTokens`, at the end of the context, or when `onToken` returns false.
    ///
    /// - Throws: ``GenerationError`` for an empty prompt, one that fills the context or has a token that the model does not know, options out of range,
    ///   and a model that computes NaN.
    public func generate(_ prompt: [Int32], options: GenerationOptions, onToken: (Int32) -> Bool = { _ in true }) throws(GenerationError)
        -> GenerationResult
    {
        if prompt.isEmpty { throw .emptyPrompt }
        if prompt.count >= contextLength { throw .promptTooLong(tokens: prompt.count, context: contextLength) }
        if let token = prompt.first(where: { $0 < 0 || Int($0) >= vocabularySize }) { throw .unknownToken(token, vocabulary: vocabularySize) }
        if let problem = options.sampling.problem { throw .badOption(problem) }
        if options.maxNewTokens < 0 { throw .badOption("max-new-tokens is \(options.maxNewTokens); use a number of at least 0") }
        let room = min(options.maxNewTokens, contextLength - prompt.count)
        let device = embedding.device ?? .cpu
        let cache = makeCache(batch: 1, capacity: prompt.count + room)
        var sampler = TokenSampler(options.sampling, seed: options.seed)
        var history = prompt
        var generated: Int { history.count - prompt.count }
        let clock = ContinuousClock()
        let start = clock.now
        var firstToken = start
        var next = prompt
        while generated < room {
            let logits: [Float]
            do {
                logits = try noGradient { () throws(DeviceError) in
                    try lastLogits(TokenBatch(next, past: cache.length, device: device), cache: cache).floats()
                }
            } catch { throw .device(error) }
            if logits.allSatisfy(\.isNaN) { throw .notANumber(position: history.count) }
            let token = sampler.next(logits: logits, history: history)
            if generated == 0 { firstToken = clock.now }
            history.append(token)
            if !onToken(token) || options.endTokens.contains(token) { break }
            next = [token]
        }
        return GenerationResult(
            tokens: Array(history[prompt.count...]), promptTokens: prompt.count, prefillTime: firstToken - start, decodeTime: clock.now - firstToken)
    }
}
