// Shapes: M = rows of the input, N = rows of the weight, K = columns of the weight.

extension FourBitLinear {
    package func reference(_ memory: some ReferenceMemory) {
        let (n, k) = (weight.rows, weight.columns)
        let x = precision.operands(memory.floats(input))
        let w = precision.operands(weight.values(memory, with: update, precision))
        if let update, let narrow = update.narrow { narrowProduct(update) { narrow }.reference(memory) }
        let bias = bias.map { memory.floats($0) }
        var result = [Float](repeating: 0, count: output.count)
        for i in 0..<m {
            for j in 0..<n {
                var sum = Double(bias?[j] ?? 0)
                for t in 0..<k { sum += Double(x[i * k + t]) * Double(w[j * k + t]) }
                result[i * n + j] = Float(sum)
            }
        }
        memory.store(result, to: output)
    }
}

extension FourBitLinearInputGradient {
    package func reference(_ memory: some ReferenceMemory) {
        let (n, k) = (weight.rows, weight.columns)
        let dy = precision.operands(memory.floats(outputGradient))
        let w = precision.operands(weight.values(memory, with: update, precision))
        if let update, let narrow = update.narrow { narrowProduct(update) { narrow }.reference(memory) }
        memory.store(matrixProduct(dy, w, m: m, n: n, k: k), to: inputGradient)
    }
}

extension FourBitMatrix {
    /// The values, and to each what an update adds, whose factors are rounded as the operands of products are.
    fileprivate func values(_ memory: some ReferenceMemory, with update: LowRankUpdate?, _ precision: ProductPrecision) -> [Float] {
        let values = values(memory)
        guard let update else { return values }
        let (down, up) = (precision.operands(memory.floats(update.down)), precision.operands(memory.floats(update.up)))
        let products = matrixProduct(up, down, m: rows, n: update.rank, k: columns)
        return zip(values, products).map { $0 + update.scale * $1 }
    }
}
