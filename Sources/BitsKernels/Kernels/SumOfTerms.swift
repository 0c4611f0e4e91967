/// `output[i] = terms[0][i] + terms[1][i] + ...`, added in that order in float32, rounded once to the output's type.
package struct SumOfTerms: Kernel {
    package static let name = "sum_of_terms"
    /// What one kernel takes.
    package static let mostTerms = 8

    /// At least one; float32, float16 or bfloat16, independently
    package var terms: [Slice]
    /// float32, float16 or bfloat16; may be one of the terms
    package var output: Slice

    package init(_ terms: [Slice], into output: Slice) {
        precondition((1...Self.mostTerms).contains(terms.count), "a sum of \(terms.count) terms, 1 to \(Self.mostTerms) are possible")
        precondition(
            (terms + [output]).allSatisfy { $0.count == output.count && $0.dtype.isFloatingPoint },
            "a sum of \(terms.map { "\($0.count) \($0.dtype.rawValue)" }) into \(output.count) \(output.dtype.rawValue)")
        (self.terms, self.output) = (terms, output)
    }

    package static let operandList: OperandList<Self> = [.reads("terms", \.terms, inPlace: true), .writes("output", \.output)]
}
