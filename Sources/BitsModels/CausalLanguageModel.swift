public import BitsCore
public import BitsNN

/// A model that predicts the next token.
public protocol CausalLanguageModel: Module {
    var vocabularySize: Int { get }
    /// Tokens that the model was made for.
    var contextLength: Int { get }
    /// The table of token vectors.
    var embedding: any EmbeddingLayer { get }
    /// From final hidden states to logits; a ``BitsNN/TiedLinear`` in models whose head shares the table of ``embedding``.
    var head: any LinearLayer { get }
    /// Tokens after which a text is over, as the model's files say; none of a model without files.
    var endTokens: Set<Int32> { get set }
    /// Whether a backward pass runs each block again instead of keeping what is computed in it (``checkpointed(_:)``): off at first.
    var recomputesBlocks: Bool { get set }
    /// The final hidden states [B, T, D] of `tokens`, after the last norm. With a cache, `tokens` continue what it holds, and are added to it.
    func hiddenStates(_ tokens: TokenBatch, cache: KeyValueCache?) -> Tensor
    /// An empty cache for `sequences` of at most `capacity` tokens.
    func makeCache(sequences: Int, capacity: Int, dtype: DType) -> KeyValueCache
}

extension CausalLanguageModel {
    /// An empty cache for one sequence of at most `capacity` tokens, its entries in float32.
    public func makeCache(capacity: Int) -> KeyValueCache { makeCache(sequences: 1, capacity: capacity, dtype: .float32) }

    /// Logits [B, T, V] of every token.
    public func logits(_ tokens: TokenBatch, cache: KeyValueCache? = nil) -> Tensor { head(hiddenStates(tokens, cache: cache)) }

    /// Logits [B, V] of the last token of each row.
    public func lastLogits(_ tokens: TokenBatch, cache: KeyValueCache?) -> Tensor {
        let hidden = hiddenStates(tokens, cache: cache)
        return head(hidden.narrowed(1, tokens.length - 1..<tokens.length)).reshaped(tokens.batch, -1)
    }
}
