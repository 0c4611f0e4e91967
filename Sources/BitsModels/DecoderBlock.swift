public import BitsCore
public import BitsNN

/// A block of a decoder: what a checkpointed, offloaded or sharded one takes the place of.
public protocol DecoderBlock: Module {
    /// The residual stream [B, T, D] after the block; with a cache, keys and values are appended to those of `layer`.
    func callAsFunction(_ x: Tensor, _ pass: DecoderPass, layer: Int) -> Tensor
}

/// What all blocks of a decoder share in a pass.
public struct DecoderPass {
    /// The keys that each token attends to.
    public let ranges: AttentionRanges
    public let angles: RotaryAngles
    public let cache: KeyValueCache?
    /// Whether a backward pass computes each block again.
    let recomputes: Bool

    /// The residual stream [B, T, D] after all of `blocks`.
    func run(_ blocks: [any DecoderBlock], on x: Tensor) -> Tensor {
        blocks.enumerated().reduce(x) { x, block in
            let run = { block.element(x, self, layer: block.offset) }
            return recomputes && cache == nil ? checkpointed(run) : run()  // a cache takes what it is given once
        }
    }
}
