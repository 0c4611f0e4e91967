/// `destination[i, j, ...] = source[i, j, ...]`, converted to the destination's type with one rounding.
///
/// Shapes are equal, rank at most 6; a source stride of 0 repeats an element.
package struct StridedCopy: Kernel {
    package static let name = "strided_copy"
    package var source: StridedSlice
    package var destination: StridedSlice

    package init(from source: StridedSlice, to destination: StridedSlice) {
        precondition(source.shape == destination.shape, "copy of \(source.shape) into \(destination.shape)")
        precondition(source.shape.count <= 6, "a copy along \(source.shape.count) axes, \(source.shape), and 6 are the most")
        (self.source, self.destination) = (source, destination)
    }

    package static let operandList: OperandList<Self> = [.reads("source", \.source), .updates("destination", \.destination)]
}
