public import BitsCore
public import BitsNN

// Shapes: B = batch, T = tokens, D = model width, N = heads, G = key and value heads, H = head width.

/// A block of a decoder: what a checkpointed, offloaded or sharded one takes the place of.
public protocol DecoderBlock: Module {
    /// The residual stream [B, T, D] after the block; with a cache, keys and values are appended to those of `layer`.
    func callAsFunction(_ x: Tensor, _ pass: DecoderPass, layer: Int) -> Tensor
}

/// What all blocks of a decoder share in a pass.
public struct DecoderPass {
    /// Where the tokens stand, and the keys that each of them attends to.
    public let places: TokenPlaces
    public let cache: KeyValueCache?
    /// Whether a backward pass computes blocks again.
    private let recomputes: Bool

    init(_ tokens: TokenBatch, cache: KeyValueCache?, recomputes: Bool) {
        (places, self.cache, self.recomputes) = (tokens.places, cache, recomputes)
    }

    /// The residual stream [B, T, D] after all of `blocks`.
    func run(_ blocks: [any DecoderBlock], on x: Tensor) -> Tensor {
        // A cache takes what it is given once.
        x.passed(through: blocks, recomputes: recomputes && cache == nil) { block, x, layer in block(x, self, layer: layer) }
    }

    /// `x` [B, T, heads, H], each token rotated by the angles of its position.
    func rotated(_ x: Tensor, _ rotary: RotaryTable) -> Tensor { x.rotated(rotary.angles(at: places)) }

    /// Attention of `query` [B, T, N, H] over `key` and `value` [B, T, G, H] and those that the cache holds of `layer`, the heads of a token one after
    /// the other: [B, T, N H].
    func attended(query: Tensor, key: Tensor, value: Tensor, layer: Int, options: AttentionOptions = AttentionOptions()) -> Tensor {
        let (keys, values) = cache?.append(layer: layer, key: key, value: value) ?? (key, value)
        return attention(query: query, key: keys, value: values, ranges: places.ranges, options: options).reshaped(
            query.shape[0], query.shape[1], -1)
    }
}
