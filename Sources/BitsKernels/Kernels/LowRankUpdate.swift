/// A matrix of low rank that is added to a weight [N, K]: `scale * up · down`. The sum is not kept.
///
/// A device may add it to the weight, in float32, and round the sum as it would the weight. Or it computes two products more, as the factors' gradients need
/// the first of them: that of a layer's input with `down`, or of its output's gradient with `up`.
package struct LowRankUpdate: OperandGroup {
    /// [R, K]
    package var down: Slice
    /// [N, R]
    package var up: Slice
    package var scale: Float
    package var rank: Int
    /// `scale` times the first product, [M, R] in the type that products round it to; nil where nobody asks for it.
    package var narrow: Slice?

    package init(down: Slice, up: Slice, scale: Float, rank: Int, narrow: Slice?) {
        (self.down, self.up, self.scale, self.rank, self.narrow) = (down, up, scale, rank, narrow)
    }

    package static let operandList: OperandList<Self> = [.reads("down", \.down), .reads("up", \.up), .writes("narrow", \.narrow)]

    func checkShape(of weight: FourBitMatrix, m: Int) {
        precondition(
            down.count == rank * weight.columns && up.count == weight.rows * rank && (narrow == nil || narrow!.count == m * rank),
            "an update of rank \(rank) by \(down.count) and \(up.count) elements for a weight [\(weight.rows), \(weight.columns)] and \(m) rows")
    }
}
