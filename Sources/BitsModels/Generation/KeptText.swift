import BitsCore
import BitsNN

/// The keys and values of the text that a model has read and written last, so that a text which begins alike is not read from its beginning again: the
/// turns of a conversation.
///
/// ```swift
/// let kept = KeptText()
/// let first = try model.generate(question, keeping: kept)
/// let second = try model.generate(question + first.tokens + reply, keeping: kept)  // reads the last token and the reply
/// ```
/// What is generated is the same as without, but for the rounding of products of other numbers of rows. It holds one text of one model; begin a new one
/// when weights have changed. Models whose keys depend on how long a text is (dynamic rotary positions, LongRoPE) read everything again.
public final class KeptText {
    /// What the cache holds of the text; a cache may hold more behind it.
    private var tokens: [Int32] = []
    private var cache: KeyValueCache?
    private var dtype: DType?
    private weak var model: CausalLanguageModel?

    public init() {}

    /// The memory in which `model` is to continue `prompt`, which holds as many of its first tokens as are kept: all but one at most, as the pass over the
    /// last one gives the next token. Until ``keep(_:)`` nothing counts as kept; nil where nothing can be.
    func cache(of model: CausalLanguageModel, for prompt: [Int32], dtype: DType?) -> KeyValueCache? {
        guard let layout = model.backbone.cacheLayout, layout.lengthDependence == .nothing else { return nil }
        let dtype = dtype ?? model.policy.cache
        defer { tokens = [] }
        if let cache, model === self.model, dtype == self.dtype {
            let same = zip(tokens, prompt.dropLast()).prefix { $0 == $1 }.count
            cache.resume(at: same)
            return cache
        }
        let cache = model.makeCache(capacity: model.contextLength, dtype: dtype)
        (self.cache, self.model, self.dtype) = (cache, model, dtype)
        return cache
    }

    /// Takes note of what the cache holds: the prompt, and all that was generated but the last token, which no pass has read.
    func keep(_ text: [Int32]) { tokens = text }
}
