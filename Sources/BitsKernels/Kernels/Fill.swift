/// Writes `value`, rounded to the destination's type, to every element.
package struct Fill: Kernel {
    package static let name = "fill"
    package var value: Float
    package var destination: Slice

    package init(_ value: Float, into destination: Slice) {
        self.value = value
        self.destination = destination
    }

    package mutating func visitOperands(_ visitor: inout OperandVisitor) {
        visitor.writes("destination", &destination)
    }
}
