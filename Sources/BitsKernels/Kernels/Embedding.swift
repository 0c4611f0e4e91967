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
        self.table = table
        self.width = width
        self.indices = indices
        self.output = output
    }

    package mutating func visitOperands(_ visitor: inout OperandVisitor) {
        visitor.reads("table", &table)
        visitor.reads("indices", &indices)
        visitor.writes("output", &output)
    }
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
        self.outputGradient = outputGradient
        self.width = width
        self.indices = indices
        self.tableGradient = tableGradient
    }

    package mutating func visitOperands(_ visitor: inout OperandVisitor) {
        visitor.reads("outputGradient", &outputGradient)
        visitor.reads("indices", &indices)
        visitor.updates("tableGradient", &tableGradient)
    }
}
