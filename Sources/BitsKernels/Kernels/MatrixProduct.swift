/// The arithmetic of a matrix product's operands; sums are float32 in all.
package enum ProductPrecision: Int32, Sendable, CaseIterable {
    /// Operands widened to float32.
    case float32 = 0
    /// Operands rounded to bfloat16: 8 bits of precision, the range of float32.
    case bfloat16 = 1
    /// Operands rounded to float16: 11 bits of precision down to 2^-14, fewer from there to 2^-24; from 65520 on an operand becomes infinite.
    case float16 = 2

    /// The type that operands are rounded to.
    package var dtype: DType {
        switch self {
        case .float32: .float32
        case .bfloat16: .bfloat16
        case .float16: .float16
        }
    }
}

/// `output = op(a) · op(b) (+ bias) (+ output)`, sums in float32, rounded once to the output's type.
///
/// Shapes: op(a) [M, K], op(b) [K, N], output [M, N] contiguous, bias [N]. `a` lies as [M, K], or [K, M] when transposed; `b` as [K, N], or [N, K]
/// when transposed (a linear layer's weight). Rows of `a` and `b` start `aStride` and `bStride` elements apart. Types are float32, float16 or bfloat16, independently.
package struct MatrixProduct: Kernel {
    package static let name = "matrix_product"
    package var a: Slice
    package var b: Slice
    package var output: Slice
    package var bias: Slice?
    package var m: Int
    package var n: Int
    package var k: Int
    package var transposesA: Bool
    package var transposesB: Bool
    package var aStride: Int
    package var bStride: Int
    /// Adds to what the output holds.
    package var accumulates: Bool
    package var precision: ProductPrecision

    package init(
        _ a: Slice, _ b: Slice, into output: Slice, m: Int, n: Int, k: Int, transposesA: Bool = false, transposesB: Bool = false,
        aStride: Int? = nil, bStride: Int? = nil, bias: Slice? = nil, accumulates: Bool = false, precision: ProductPrecision
    ) {
        precondition(output.count == m * n, "product of [\(m), \(k)] and [\(k), \(n)] into \(output.count) elements")
        precondition(bias == nil || bias!.count == n, "bias of \(bias!.count) for \(n) columns")
        (self.a, self.b, self.output, self.bias, self.m) = (a, b, output, bias, m)
        (self.n, self.k, self.transposesA, self.transposesB, self.aStride) = (n, k, transposesA, transposesB, aStride ?? (transposesA ? m : k))
        (self.bStride, self.accumulates, self.precision) = (bStride ?? (transposesB ? k : n), accumulates, precision)
    }

    package static let operandList: OperandList<Self> = [
        .reads("a", \.a), .reads("b", \.b), .reads("bias", \.bias),
        .visiting { if $0.accumulates { $1.updates("output", &$0.output) } else { $1.writes("output", &$0.output) } },
    ]
}
