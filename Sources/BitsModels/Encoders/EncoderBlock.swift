import BitsCore
import BitsNN

// Shapes: B = batch, T = tokens, D = model width, F = inner width, N = heads, H = head width.

/// What all blocks of an encoder share in a pass.
struct EncoderPass {
    /// The keys that each token attends to: all of its sequence.
    let ranges: AttentionRanges
    /// What relative positions add to attention; nil for a model without.
    var relative: RelativePositions?
    /// Whether a backward pass computes blocks again.
    let recomputes: Bool

    /// The residual stream [B, T, D] after all of `blocks`.
    func run(_ blocks: [EncoderBlock], on x: Tensor) -> Tensor {
        x.passed(through: blocks, recomputes: recomputes) { block, x, _ in block(x, self) }
    }
}

/// The attention of a block of an encoder, with its norm: from the residual stream to the residual stream.
protocol EncoderAttention: Module {
    func callAsFunction(_ x: Tensor, _ pass: EncoderPass) -> Tensor
}

/// Attention and a feed-forward layer, each normed after it is added to what it was given.
final class EncoderBlock: Module {
    @Child("attention") var attention: any EncoderAttention
    @Child("intermediate.dense") var up: any LinearLayer
    @Child("output.dense") var down: any LinearLayer
    @Child("output.LayerNorm") var norm: LayerNorm
    private let activation: Activation

    init(_ c: EncoderConfiguration, attention: any EncoderAttention) {
        activation = c.activation
        super.init()
        self.attention = attention
        up = Linear(inFeatures: c.width, outFeatures: c.innerWidth)
        down = Linear(inFeatures: c.innerWidth, outFeatures: c.width)
        norm = LayerNorm(width: c.width, epsilon: c.normEpsilon)
    }

    func callAsFunction(_ x: Tensor, _ pass: EncoderPass) -> Tensor {
        let attended = attention(x, pass)
        return norm(attended + down(up(attended).activated(activation)))
    }
}

extension Tensor {
    /// [B, T, D] as [B, T, N, H].
    func splitIntoHeads(_ heads: Int) -> Tensor { reshaped(shape[0], shape[1], heads, -1) }
}
