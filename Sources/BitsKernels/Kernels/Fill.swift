/// Writes `value`, rounded to the destination's type, to every element.
package struct Fill: Kernel {
    package static let name = "fill"
    package var value: Float
    package var destination: Slice

    package init(_ value: Float, into destination: Slice) {
        (self.value, self.destination) = (value, destination)
    }

    package static let operandList: OperandList<Self> = [.writes("destination", \.destination)]
}
