/// Reduces the middle axis: `output[o, i] = operation over a of input[o, a, i]`, accumulated in float32 or better in an order that does not
/// depend on the thread count; rounded once to the output's type.
///
/// Shapes: input [outer, axis, inner] contiguous, output [outer, inner]. An empty axis gives 0 (`sum`, `sumOfSquares`), NaN (`mean`), -inf (`maximum`).
package struct Reduce: Kernel {
    package static let name = "reduce"
    package enum Operation: Int32, Sendable, CaseIterable { case sum = 0, mean, maximum, sumOfSquares }

    package var operation: Operation
    package var input: Slice
    package var outer: Int
    package var axis: Int
    package var inner: Int
    package var output: Slice

    package init(_ operation: Operation, _ input: Slice, outer: Int, axis: Int, inner: Int, into output: Slice) {
        precondition(input.count == outer * axis * inner && output.count == outer * inner, "reduction of \(input.count) as \(outer)x\(axis)x\(inner)")
        (self.operation, self.input, self.outer, self.axis, self.inner, self.output) = (operation, input, outer, axis, inner, output)
    }

    package static let operandList: OperandList<Self> = [.reads("input", \.input), .writes("output", \.output)]
}

/// The index of the largest element of each row, the first of equals; NaN counts as smallest. Output: int32 or int64 [rows].
package struct ArgMax: Kernel {
    package static let name = "argmax"
    package var input: Slice
    package var rows: Int
    package var output: Slice

    package init(_ input: Slice, rows: Int, into output: Slice) {
        precondition(output.count == rows && (rows == 0 || input.count % rows == 0), "argmax over \(rows) rows of \(input.count)")
        (self.input, self.rows, self.output) = (input, rows, output)
    }

    package static let operandList: OperandList<Self> = [.reads("input", \.input), .writes("output", \.output)]
}
