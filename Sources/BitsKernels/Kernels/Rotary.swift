/// Rotary position embedding in the half-split layout (Su et al. 2021): with `h = headWidth / 2`, for every token `t`, head and `i < h`
/// `output[i] = x[i] * cosine[t, i] - x[i + h] * sine[t, i]`, `output[i + h] = x[i + h] * cosine[t, i] + x[i] * sine[t, i]`.
///
/// Shapes: input and output [tokens, heads, headWidth]; cosine and sine float32 [tokens, headWidth / 2].
/// `inverse` uses `-sine`: the rotation back, which is also the gradient. Input and output may be the same slice.
package struct Rotary: Kernel {
    package static let name = "rotary"
    package var input: Slice
    package var cosine: Slice
    package var sine: Slice
    package var tokens: Int
    package var heads: Int
    package var headWidth: Int
    package var inverse: Bool
    package var output: Slice

    package init(_ input: Slice, cosine: Slice, sine: Slice, tokens: Int, heads: Int, headWidth: Int, inverse: Bool, into output: Slice) {
        precondition(
            input.count == tokens * heads * headWidth && output.count == input.count && cosine.count == tokens * headWidth / 2
                && sine.count == cosine.count && headWidth % 2 == 0,
            "rotary embedding of \(input.count) as \(tokens)x\(heads)x\(headWidth)")
        self.input = input
        self.cosine = cosine
        self.sine = sine
        self.tokens = tokens
        self.heads = heads
        self.headWidth = headWidth
        self.inverse = inverse
        self.output = output
    }

    package mutating func visitOperands(_ visitor: inout OperandVisitor) {
        visitor.reads("input", &input, inPlace: true)
        visitor.reads("cosine", &cosine)
        visitor.reads("sine", &sine)
        visitor.writes("output", &output)
    }
}
