public import BitsCore
public import BitsIO

/// How continuations are generated.
public struct GenerationOptions: Sendable, Equatable {
    /// From 0.
    public var maxNewTokens: Int
    public var sampling: SamplingOptions
    /// A text ends after one of these tokens; nil for those of the model.
    public var endTokens: Set<Int32>?
    /// A text ends before the first of these strings. For ``TextCompletion``, which sees the text.
    public var stopStrings: [String]
    /// The same seed draws the same. The prompts of several draw with this seed, the next one, and so on.
    public var seed: UInt64
    /// The type of the keys and values that are kept, nil for that of the model's policy; float32 is exact, bfloat16 and float16 take half the memory.
    public var cacheType: DType?

    public init(
        maxNewTokens: Int = 128, sampling: SamplingOptions = .greedy, endTokens: Set<Int32>? = nil, stopStrings: [String] = [], seed: UInt64 = 0,
        cacheType: DType? = nil
    ) {
        self.maxNewTokens = maxNewTokens
        self.sampling = sampling
        self.endTokens = endTokens
        self.stopStrings = stopStrings
        self.seed = seed
        self.cacheType = cacheType
    }

    /// As the model's `generation_config.json` says.
    public init(_ configuration: GenerationConfiguration) {
        self.init(sampling: SamplingOptions(temperature: 0, repetitionPenalty: configuration.repetitionPenalty))
        if configuration.samples {
            sampling.temperature = configuration.temperature
            (sampling.topK, sampling.topP, sampling.minP) = (configuration.topK, configuration.topP, configuration.minP)
        }
        if let count = configuration.maximumNewTokens { maxNewTokens = count }
    }

    /// What is wrong with the values, in words; nil if nothing is.
    public var problem: String? {
        if maxNewTokens < 0 { return "max-new-tokens is \(maxNewTokens); use a number of at least 0" }
        if stopStrings.contains("") { return "a stop string is empty; leave it out" }
        if let cacheType, !cacheType.isFloatingPoint { return "the cache's type is \(cacheType.rawValue); use float32, bfloat16 or float16" }
        return sampling.problem
    }
}
