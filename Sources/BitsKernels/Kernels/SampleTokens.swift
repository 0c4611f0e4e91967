/// How a token is chosen: see ``SampleTokens``.
package struct SamplingRule: Sendable, Equatable {
    /// 0: the most likely token.
    package var temperature: Float
    /// 0: all.
    package var topK: Int
    /// 1: all.
    package var topP: Float
    /// 0: all.
    package var minP: Float
    /// 1: none.
    package var repetitionPenalty: Float

    package init(temperature: Float, topK: Int = 0, topP: Float = 1, minP: Float = 0, repetitionPenalty: Float = 1) {
        precondition(
            temperature >= 0 && temperature.isFinite && topK >= 0 && topP > 0 && topP <= 1 && minP >= 0 && minP <= 1 && repetitionPenalty > 0,
            "sampling at temperature \(temperature), top-k \(topK), top-p \(topP), min-p \(minP), penalty \(repetitionPenalty)")
        (self.temperature, self.topK, self.topP, self.minP, self.repetitionPenalty) = (temperature, topK, topP, minP, repetitionPenalty)
    }
}

/// Draws the next token of each sequence, in transformers' order.
///
/// ```
/// l_v = seen[v] ? (l_v > 0 ? l_v / penalty : l_v * penalty) : l_v      repetition penalty (Keskar et al. 2019, arXiv:1909.05858)
/// temperature 0 or an infinite peak: the v of the largest l_v
/// w_v = exp((l_v - peak) / temperature), 0 for NaN                       peak = max_v l_v
/// top-k: the k largest w                                                 the others no longer count
/// top-p: the fewest largest w whose sum reaches p of what is left        (Holtzman et al. 2019, arXiv:1904.09751)
/// min-p: w >= p                                                          (Nguyen et al. 2024, arXiv:2407.01082)
/// the first v with sum_{i <= v} w_i > u * sum_i w_i                       u from [0, 1)
/// ```
/// Of equals the lower ids go first. u is a function of the sequence's seed and the position of its latest token: word 0 and 1 of block `position` of
/// ``RandomStream``, so that a sequence draws the same whatever is drawn beside it. Where a rounding of w decides, devices may differ. What was drawn is
/// marked in `seen`. A sequence whose position is negative gets ``none``, one whose logits are all NaN or -inf gets ``notANumber``.
///
/// Shapes: logits [B, V]; positions int32, seeds int64 (not needed at temperature 0) and tokens int32 [B]; seen uint8 [B, V], needed for a penalty.
package struct SampleTokens: Kernel {
    package static let name = "sample_tokens"
    /// The token of a sequence that draws none.
    package static let none: Int32 = -1
    /// The token of a sequence whose model computes no numbers.
    package static let notANumber: Int32 = -2

    package var logits: Slice
    package var positions: Slice
    package var rule: SamplingRule
    package var seeds: Slice?
    package var seen: Slice?
    package var tokens: Slice

    package init(_ logits: Slice, positions: Slice, rule: SamplingRule, seeds: Slice?, seen: Slice?, into tokens: Slice) {
        precondition(
            positions.count == tokens.count && positions.dtype == .int32 && tokens.dtype == .int32 && tokens.count > 0
                && logits.count % tokens.count == 0 && logits.count > 0,
            "\(tokens.count) tokens from logits of \(logits.count) at \(positions.count) positions")
        precondition(rule.temperature == 0 || seeds?.count == tokens.count && seeds?.dtype == .int64, "no seed for each of \(tokens.count) sequences")
        precondition(rule.repetitionPenalty == 1 || seen != nil, "a penalty without the tokens that were seen")
        precondition(seen.map { $0.count == logits.count && $0.dtype == .uint8 } ?? true, "\(seen?.count ?? 0) marks for logits of \(logits.count)")
        (self.logits, self.positions, self.rule, self.seeds, self.seen, self.tokens) = (logits, positions, rule, seeds, seen, tokens)
    }

    /// V
    package var vocabulary: Int { logits.count / tokens.count }

    package static let operandList: OperandList<Self> = [
        .reads("logits", \.logits), .reads("positions", \.positions), .reads("seeds", \.seeds), .updates("seen", \.seen), .writes("tokens", \.tokens),
    ]
}
