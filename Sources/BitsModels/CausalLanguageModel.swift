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
    /// The final hidden states [B, T, D] of `tokens`, after the last norm. With a cache, `tokens` continue what it holds, and are added to it.
    func hiddenStates(_ tokens: TokenBatch, cache: KeyValueCache?) -> Tensor
    /// An empty cache for `capacity` tokens.
    func makeCache(batch: Int, capacity: Int) -> KeyValueCache
}

extension CausalLanguageModel {
    /// Logits [B, T, V] of every token.
    public func logits(_ tokens: TokenBatch, cache: KeyValueCache? = nil) -> Tensor { head(hiddenStates(tokens, cache: cache)) }

    /// Logits [V] of the last token of a single sequence.
    public func lastLogits(_ tokens: TokenBatch, cache: KeyValueCache?) -> Tensor {
        precondition(tokens.batch == 1, "lastLogits of a batch of \(tokens.batch)")
        let hidden = hiddenStates(tokens, cache: cache)
        return head(hidden.narrowed(1, tokens.length - 1..<tokens.length)).reshaped(-1)
    }
}
