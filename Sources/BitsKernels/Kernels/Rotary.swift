/// Rotary position embedding in the half-split layout (Su et al. 2021): with `h = headWidth / 2`, for every token `t`, head and `i < h`
/// `output[i] = x[i] * cosine[r, i] - x[i + h] * sine[r, i]`, `output[i + h] = x[i + h] * cosine[r, i] + x[i] * sine[r, i]`, where `r = positions[t]`, or
/// `t` where there are no positions. A position outside the tables gives zeros.
///
/// Shapes: input and output [tokens, heads, headWidth]; cosine and sine float32 [rows, headWidth / 2]; positions int32 [tokens].
/// `inverse` uses `-sine`: the rotation back, which is also the gradient. Input and output may be the same slice.
package struct Rotary: Kernel {
    package static let name = "rotary"
    package var input: Slice
    package var cosine: Slice
    package var sine: Slice
    package var positions: Slice?
    package var tokens: Int
    package var heads: Int
    package var headWidth: Int
    package var inverse: Bool
    package var output: Slice

    package init(
        _ input: Slice, cosine: Slice, sine: Slice, positions: Slice? = nil, tokens: Int, heads: Int, headWidth: Int, inverse: Bool,
        into output: Slice
    ) {
        precondition(
            input.count == tokens * heads * headWidth && output.count == input.count && headWidth > 0 && headWidth % 2 == 0
                && sine.count == cosine.count && cosine.count % (headWidth / 2) == 0,
            "rotary embedding of \(input.count) as \(tokens)x\(heads)x\(headWidth) by \(cosine.count) angles")
        precondition(
            positions.map { $0.count == tokens && $0.dtype == .int32 } ?? (cosine.count == tokens * headWidth / 2),
            "\(tokens) tokens at \(positions?.count ?? cosine.count * 2 / headWidth) positions")
        (self.input, self.cosine, self.sine, self.positions, self.tokens) = (input, cosine, sine, positions, tokens)
        (self.heads, self.headWidth, self.inverse, self.output) = (heads, headWidth, inverse, output)
    }

    /// Positions that the tables have.
    package var rows: Int { cosine.count / (headWidth / 2) }

    package static let operandList: OperandList<Self> = [
        .reads("input", \.input, inPlace: true), .reads("cosine", \.cosine), .reads("sine", \.sine), .reads("positions", \.positions),
        .writes("output", \.output),
    ]
}
