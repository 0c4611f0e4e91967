package import BitsKernels
import BitsSystem

// Shapes: B = batch, T = tokens, Tq = queries, Tk = keys, N = heads, H = head width, C = buckets of relative positions.

/// What a layer's attention does besides comparing queries with keys.
public struct AttentionOptions: Sendable {
    /// Multiplies the products of queries and keys; `1 / sqrt(H)` unless given.
    public var scale: Float?
    /// What the scaled products cannot pass, either way: each becomes `cap * tanh(product / cap)`; unbounded unless given.
    public var cap: Float?
    /// Narrows the keys that each query sees within its range; none unless given.
    public var window: AttentionWindow?
    /// Added to the scaled products; nothing unless given.
    public var bias: AttentionBias?

    public init(scale: Float? = nil, cap: Float? = nil, window: AttentionWindow? = nil, bias: AttentionBias? = nil) {
        self.scale = scale
        self.cap = cap
        self.window = window
        self.bias = bias
    }
}

/// A number for every pair of a query and a key, made of less than one number a pair.
public enum AttentionBias: Sendable {
    /// `slopes[n] * (k - last)`, with `last` the last key that the query sees; float32 [N]. It has no gradient.
    ///
    /// As softmax takes no notice of what all its scores share, this is the same as `slopes[n] * k`, without its large numbers.
    case slopes(Tensor)
    /// `byQuery[b, n, q, c] + byKey[b, n, k, c]` with the bucket `c = buckets[q - k + Tk - 1]` of the distance of both, nothing where there is no such bucket.
    ///
    /// byQuery [B, N, Tq, C] and byKey [B, N, Tk, C] in float32, either of which may be missing, buckets int32 [Tq + Tk - 1]. Gradients flow to the first two.
    /// For DeBERTa's disentangled attention (He et al. 2021, arXiv:2111.09543) these are the products of queries with the keys of relative positions, and of
    /// keys with their queries, both by ``Tensor/headProducts(_:computeDType:)`` and scaled as the scores are; for T5's (Raffel et al. 2020, arXiv:1910.10683)
    /// byQuery is its table, broadcast.
    case relative(byQuery: Tensor?, byKey: Tensor?, buckets: Tensor)

    /// ALiBi's slopes: `2^(-8 i / n)` for i = 1...n where the number of heads n is a power of two; where it is none, those of the next lower power, then every
    /// other one of the next higher.
    ///
    /// Press et al. 2022, "Train Short, Test Long", arXiv:2108.12409. Reference: `build_alibi_tensor`.
    public static func alibi(heads: Int, device: Device = .cpu) -> AttentionBias {
        precondition(heads > 0, "ALiBi of \(heads) heads")
        let lower = 1 << (Int.bitWidth - 1 - heads.leadingZeroBitCount)
        let slopes = (0..<heads).map { head -> Float in
            // Numbered in steps of the next higher power: its even steps are the lower power's, the rest are its odd ones.
            let step = head < lower ? 2 * (head + 1) : 2 * (head - lower) + 1
            return exp2(Float(-4 * step) / Float(lower))
        }
        return .slopes(Tensor(slopes, device: device))
    }

    var operands: AttentionBiasOperands {
        switch self {
        case .slopes(let slopes): .slopes(slopes.elements)
        case .relative(let byQuery, let byKey, let buckets):
            .relative(
                byQuery: byQuery?.elements, byKey: byKey?.elements, buckets: buckets.elements, count: (byQuery ?? byKey)?.shape.last ?? 0)
        }
    }

    /// What gradients flow to.
    var tables: (byQuery: Tensor?, byKey: Tensor?) {
        if case .relative(let byQuery, let byKey, _) = self { (byQuery, byKey) } else { (nil, nil) }
    }
}
