/// `output[i] = table[indices[i]]`, rows of `width`; converted to the output's type. An index outside the table gives a row of zeros.
///
/// Shapes: table [vocabulary, width], indices int32 or int64 [n], output [n, width].
package struct EmbeddingGather: Kernel {
    package static let name = "embedding_gather"
    package var table: Slice
    package var width: Int
    package var indices: Slice
    package var output: Slice

    package init(table: Slice, width: Int, indices: Slice, into output: Slice) {
        precondition(output.count == indices.count * width, "gathering \(indices.count) rows of \(width) into \(output.count)")
        (self.table, self.width, self.indices, self.output) = (table, width, indices, output)
    }

    package static let operandList: OperandList<Self> = [.reads("table", \.table), .reads("indices", \.indices), .writes("output", \.output)]
}

/// `tableGradient[indices[i]] += outputGradient[i]`, in the order of `i`; rows whose index is outside the table are left out.
package struct EmbeddingScatterAdd: Kernel {
    package static let name = "embedding_scatter_add"
    package var outputGradient: Slice
    package var width: Int
    package var indices: Slice
    package var tableGradient: Slice

    package init(_ outputGradient: Slice, width: Int, indices: Slice, into tableGradient: Slice) {
        precondition(outputGradient.count == indices.count * width, "scattering \(indices.count) rows of \(width) from \(outputGradient.count)")
        (self.outputGradient, self.width, self.indices, self.tableGradient) = (outputGradient, width, indices, tableGradient)
    }

    package static let operandList: OperandList<Self> = [
        .reads("outputGradient", \.outputGradient), .reads("indices", \.indices), .updates("tableGradient", \.tableGradient),
    ]
}
