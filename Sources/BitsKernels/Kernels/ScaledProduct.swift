/// `output = scale * a · op(b)`, sums in float32 and scaled there, rounded once to the output's type.
///
/// Shapes: a [M, K], op(b) [K, N], output [M, N], all contiguous; `b` lies as [K, N], or [N, K] when transposed. What a low-rank update of a layer's weight
/// makes of its input: N is a rank.
package struct ScaledProduct: Kernel {
    package static let name = "scaled_product"
    package var a: Slice
    package var b: Slice
    package var output: Slice
    package var m: Int
    package var n: Int
    package var k: Int
    package var transposesB: Bool
    package var scale: Float
    package var precision: ProductPrecision

    package init(
        _ scale: Float, _ a: Slice, _ b: Slice, into output: Slice, m: Int, n: Int, k: Int, transposesB: Bool = false, precision: ProductPrecision
    ) {
        precondition(
            a.count == m * k && b.count == k * n && output.count == m * n,
            "scaled product of [\(m), \(k)] and [\(k), \(n)], which have \(a.count) and \(b.count) elements, into \(output.count)")
        (self.scale, self.a, self.b, self.output, self.m, self.n, self.k) = (scale, a, b, output, m, n, k)
        (self.transposesB, self.precision) = (transposesB, precision)
    }

    package static let operandList: OperandList<Self> = [.reads("a", \.a), .reads("b", \.b), .writes("output", \.output)]

    /// The product alone, and then what scales it: in between it is in `room`, float32 [M, N], or in the output if that does for it.
    func steps(room: () -> Slice) -> (product: MatrixProduct, scaling: ScaleAndShift?) {
        let sums = scale == 1 || output.dtype == .float32 ? output : room()
        return (
            MatrixProduct(a, b, into: sums, m: m, n: n, k: k, transposesB: transposesB, precision: precision),
            scale == 1 ? nil : ScaleAndShift(sums, scale: scale, into: output)
        )
    }
}
