extension Int8Product {
    package func reference(_ memory: some ReferenceMemory) {
        memory.store(int8Products(memory.integers(a), memory.integers(b), m: m, n: n, k: k).map { Int($0) }, to: output)
    }
}

/// `a · bᵀ` in int32 that wraps around.
func int8Products(_ a: [Int], _ b: [Int], m: Int, n: Int, k: Int) -> [Int32] {
    (0..<m * n).map { e in
        var sum = 0
        for t in 0..<k { sum += a[e / n * k + t] * b[e % n * k + t] }
        return Int32(truncatingIfNeeded: sum)
    }
}

extension DequantizeInt8Product {
    package func reference(_ memory: some ReferenceMemory) {
        let products = memory.integers(products).map { Int32($0) }
        let values = rescaled(products, rows: memory.floats(rowScales), columns: memory.floats(columnScales), bias: bias.map { memory.floats($0) })
        memory.store(values, to: output)
    }
}

/// The formula of ``DequantizeInt8Product``.
func rescaled(_ products: [Int32], rows: [Float], columns: [Float], bias: [Float]?) -> [Float] {
    products.enumerated().map { e, product in
        let (i, j) = (e / columns.count, e % columns.count)
        return (bias?[j] ?? 0).addingProduct(Float(product) * rows[i] * columns[j], DequantizeInt8Product.unit)
    }
}

extension Int8ScaledProduct {
    package func reference(_ memory: some ReferenceMemory) {
        let product = OutlierProduct(a.rowsOfCodes(memory), weight: weight.rowsOfCodes(memory), bias: bias.map { memory.floats($0) }, k: a.columns)
        guard let outliers else { return memory.store(product.quantized, to: output) }
        let columns = memory.integers(outliers.columns).map { $0 != 0 }
        memory.store(product.adding(memory.floats(outliers.input), of: outliers.input.dtype, columns: columns), to: output)
    }
}

/// The product of two quantized matrices, and what outlier columns add to it.
struct OutlierProduct {
    let weight: Int8Rows
    let k: Int
    /// The quantized part with the bias, float32 [M, N].
    let quantized: [Float]

    init(_ a: Int8Rows, weight: Int8Rows, bias: [Float]?, k: Int) {
        self.weight = weight
        self.k = k
        let products = int8Products(a.codes, weight.codes, m: a.scales.count, n: weight.scales.count, k: k)
        quantized = rescaled(products, rows: a.scales, columns: weight.scales, bias: bias)
    }

    /// - Parameters:
    ///   - x: [M, K], numbers of `dtype`.
    ///   - columns: which of its columns are outlier columns.
    func adding(_ x: [Float], of dtype: DType, columns: [Bool]) -> [Float] {
        let w = weight.values(columns: k).map(dtype.rounded)
        let n = weight.scales.count
        let outliers = columns.indices.filter { columns[$0] }
        return quantized.enumerated().map { e, value in
            outliers.isEmpty ? value : value + Float(outliers.reduce(0.0) { $0 + Double(x[e / n * k + $1]) * Double(w[e % n * k + $1]) })
        }
    }
}
