public import BitsCore
public import BitsNN

/// A block of a decoder: what a checkpointed, offloaded or sharded one takes the place of.
public protocol DecoderBlock: Module {
    /// The residual stream [B, T, D] after the block; with a cache, keys and values are appended to those of `layer`.
    func callAsFunction(_ x: Tensor, tokens: TokenBatch, angles: RotaryAngles, layer: Int, cache: KeyValueCache?) -> Tensor
}
