/// How long int8 products may be, so that sums of codes from -127 to 127 fit int32.
package let longestInt8Sum = Int(Int32.max) / (127 * 127)

/// `output[M, N] = a[M, K] · b[N, K]ᵀ` of int8 matrices, exact in int32; sums beyond it wrap around.
package struct Int8Product: Kernel {
    package static let name = "int8_product"
    /// int8 [M, K]
    package var a: Slice
    /// int8 [N, K]
    package var b: Slice
    /// int32 [M, N]
    package var output: Slice
    package var m: Int
    package var n: Int
    package var k: Int

    package init(_ a: Slice, _ b: Slice, into output: Slice, m: Int, n: Int, k: Int) {
        precondition(
            a.dtype == .int8 && b.dtype == .int8 && output.dtype == .int32,
            "int8 product of \(a.dtype.rawValue) and \(b.dtype.rawValue) into \(output.dtype.rawValue)")
        precondition(
            a.count == m * k && b.count == n * k && output.count == m * n,
            "int8 product [\(m), \(k)] · [\(n), \(k)]ᵀ of \(a.count) and \(b.count) elements into \(output.count)")
        (self.a, self.b, self.output, self.m, self.n, self.k) = (a, b, output, m, n, k)
    }

    package static let operandList: OperandList<Self> = [.reads("a", \.a), .reads("b", \.b), .writes("output", \.output)]
}

/// What exact products of quantized rows and columns stand for:
/// `output[i, j] = rn(fma(fl(fl(products[i, j] * rowScales[i]) * columnScales[j]), fl(1 / 127²), bias[j]))`, with 0 for a bias that is not there.
package struct DequantizeInt8Product: Kernel {
    package static let name = "dequantize_int8_product"
    /// int32 [M, N]
    package var products: Slice
    /// float32 [M]
    package var rowScales: Slice
    /// float32 [N]
    package var columnScales: Slice
    /// float32, float16 or bfloat16 [N]
    package var bias: Slice?
    /// float32, float16 or bfloat16 [M, N]
    package var output: Slice

    /// fl(1 / 127²)
    package static let unit: Float = 1.0 / 16129

    package init(_ products: Slice, rowScales: Slice, columnScales: Slice, bias: Slice? = nil, into output: Slice) {
        precondition(
            products.dtype == .int32 && products.count == rowScales.count * columnScales.count && output.count == products.count,
            "\(products.count) \(products.dtype.rawValue) products [\(rowScales.count), \(columnScales.count)] into \(output.count) elements")
        precondition(rowScales.dtype == .float32 && columnScales.dtype == .float32, "scales are float32")
        precondition(bias == nil || bias!.count == columnScales.count, "bias of \(bias!.count) for \(columnScales.count) columns")
        (self.products, self.rowScales, self.columnScales, self.bias, self.output) = (products, rowScales, columnScales, bias, output)
    }

    package static let operandList: OperandList<Self> = [
        .reads("products", \.products), .reads("rowScales", \.rowScales), .reads("columnScales", \.columnScales), .reads("bias", \.bias),
        .writes("output", \.output),
    ]
}

/// ``Int8Product`` followed by ``DequantizeInt8Product``, without the products in memory; and outlier columns as they are.
///
/// With `outliers` the columns k marked there add `Σ x[i, k] * rnx(W[j, k])` in float32 before the rounding to the output's type, where `x` is the
/// matrix that `a` was quantized from and `rnx` rounds to its type; `a` has code 0 in these columns.
package struct Int8ScaledProduct: Kernel {
    package static let name = "int8_scaled_product"

    package struct Outliers: OperandGroup {
        /// float32, float16 or bfloat16 [M, K]
        package var input: Slice
        /// uint8 [K]: not 0 for outlier columns.
        package var columns: Slice

        package init(_ input: Slice, columns: Slice) {
            (self.input, self.columns) = (input, columns)
        }

        package static let operandList: OperandList<Self> = [.reads("input", \.input), .reads("columns", \.columns)]
    }

    package var a: Int8Matrix
    package var weight: Int8Matrix
    /// float32, float16 or bfloat16 [N]
    package var bias: Slice?
    package var outliers: Outliers?
    /// float32, float16 or bfloat16 [M, N]
    package var output: Slice

    package init(_ a: Int8Matrix, weight: Int8Matrix, bias: Slice? = nil, outliers: Outliers? = nil, into output: Slice) {
        precondition(a.columns <= longestInt8Sum, "int8 product of \(a.columns) columns; sums of more than \(longestInt8Sum) may overflow")
        precondition(
            a.columns == weight.columns && output.count == a.rows * weight.rows,
            "int8 product [\(a.rows), \(a.columns)] · [\(weight.rows), \(weight.columns)]ᵀ into \(output.count) elements")
        precondition(bias == nil || bias!.count == weight.rows, "bias of \(bias!.count) for \(weight.rows) columns")
        precondition(
            outliers.map { $0.input.count == a.codes.count && $0.columns.count == a.columns && $0.columns.dtype == .uint8 } ?? true,
            "outliers of a matrix [\(a.rows), \(a.columns)]")
        (self.a, self.weight, self.bias, self.outliers, self.output) = (a, weight, bias, outliers, output)
    }

    package static let operandList: OperandList<Self> = [
        .group("a", \.a), .group("weight", \.weight), .reads("bias", \.bias), .group("outliers", \.outliers), .writes("output", \.output),
    ]
}
