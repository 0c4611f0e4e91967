extension MatrixProduct {
    package func reference(_ memory: some ReferenceMemory) {
        let a = precision.operands(memory.floats(a))
        let b = precision.operands(memory.floats(b))
        let bias = bias.map { memory.floats($0) }
        var result = accumulates ? memory.floats(output) : [Float](repeating: 0, count: m * n)
        for i in 0..<m {
            for j in 0..<n {
                var sum = Double(result[i * n + j]) + Double(bias?[j] ?? 0)
                for t in 0..<k {
                    let x = transposesA ? a[t * aStride + i] : a[i * aStride + t]
                    let y = transposesB ? b[j * bStride + t] : b[t * bStride + j]
                    sum += Double(x) * Double(y)
                }
                result[i * n + j] = Float(sum)
            }
        }
        memory.store(result, to: output)
    }
}

extension ScaledProduct {
    package func reference(_ memory: some ReferenceMemory) {
        let a = precision.operands(memory.floats(a))
        let b = precision.operands(memory.floats(b))
        let result = (0..<m * n).map { e in
            let (i, j) = (e / n, e % n)
            return scale * Float((0..<k).reduce(0.0) { $0 + Double(a[i * k + $1]) * Double(transposesB ? b[j * k + $1] : b[$1 * n + j]) })
        }
        memory.store(result, to: output)
    }
}

/// `a · b` of a [M, N] and b [N, K], each element summed in double precision and rounded once.
func matrixProduct(_ a: [Float], _ b: [Float], m: Int, n: Int, k: Int) -> [Float] {
    (0..<m * k).map { e in Float((0..<n).reduce(0.0) { $0 + Double(a[e / k * n + $1]) * Double(b[$1 * k + e % k]) }) }
}

extension ProductPrecision {
    /// `values` as the product takes them: as they are, or rounded to 16 bits.
    package func operands(_ values: [Float]) -> [Float] { self == .float32 ? values : values.map { dtype.rounded($0) } }
}
