public import BitsCore
import BitsNN

// Shapes: S = sequences, V = vocabulary.

/// A model that predicts the next token from those before it.
public final class CausalLanguageModel: TaskModel, TokenTask, RegisteredTask {
    public static let task = ModelTask.causalLanguageModeling

    public override init(_ parts: TaskParts) {
        precondition(parts.backbone.cacheLayout != nil, "\(type(of: parts.backbone)) sees the tokens that it would predict")
        super.init(parts)
    }

    /// Tokens after which a text is over, as the model's files say; none of a model without files.
    public var endTokens: Set<Int32> = []

    /// Logits [S, V] of the last token of each sequence, in float32.
    public func lastLogits(_ tokens: TokenBatch, cache: KeyValueCache?) -> Tensor { head.scores(hiddenStates(tokens, of: .last, cache: cache)) }

    /// The sum of the negative log-likelihood of the tokens of `sequences`, each given those before it, a float32 scalar, and how many those are.
    ///
    /// The sequences run as one row without padding.
    ///
    /// - Parameter starts: of each sequence the first token that is predicted, at least 1; by default the second of all.
    public func loss(_ sequences: [[Int32]], from starts: [Int]? = nil) -> (sum: Tensor, tokens: Int) {
        precondition(starts == nil || starts!.count == sequences.count, "\(starts!.count) starts of \(sequences.count) sequences")
        let targets = sequences.enumerated().flatMap { index, ids -> [Int32] in
            let start = starts?[index] ?? 1
            return ids.indices.map { $0 + 1 >= start && $0 + 1 < ids.count ? ids[$0 + 1] : -100 }
        }
        return (loss(TokenBatch(packing: sequences, device: computeDevice), targets: targets), targets.count { $0 != -100 })
    }

    /// An empty cache for `sequences` of at most `capacity` tokens.
    ///
    /// - Parameter dtype: type of its entries; that of the policy unless given.
    public func makeCache(sequences: Int = 1, capacity: Int, dtype: DType? = nil) -> KeyValueCache {
        guard let layout = backbone.cacheLayout else { preconditionFailure("\(type(of: backbone)) keeps nothing") }
        return KeyValueCache(
            layers: layout.layers, sequences: sequences, capacity: capacity, heads: layout.heads, headWidth: layout.headWidth,
            dtype: dtype ?? policy.cache, device: computeDevice)
    }
}
