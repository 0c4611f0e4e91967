/// The sum of the squares of the finite elements, in the order of ``VectorNorm``.
func sumOfSquares(_ values: [Float]) -> Double {
    var total = 0.0
    for chunk in values.blocks(of: 4096) {
        var sums = [Double](repeating: 0, count: 16)
        for (i, value) in chunk.enumerated() where value.isFinite { sums[i % 16] += Double(value) * Double(value) }
        var half = 8
        while half > 0 {
            for i in 0..<half { sums[i] += sums[i + half] }
            half /= 2
        }
        total += sums[0]
    }
    return total
}

extension VectorNorm {
    package func reference(_ memory: some ReferenceMemory) {
        let values = memory.floats(input)
        memory.store([Float(sumOfSquares(values).squareRoot()), Float(values.count { !$0.isFinite })], to: result)
    }
}

extension ClipToNorm {
    package func reference(_ memory: some ReferenceMemory) {
        let norms = norms.map { memory.floats($0) }
        let total = Float(norms.reduce(0.0) { $0 + Double($1[0]) * Double($1[0]) }.squareRoot())
        let others = norms.reduce(Float(0)) { $0 + $1[1] }
        memory.store([min(1, limit / (total + 1e-6)), total, others], to: result)
    }
}

extension ClipToPercentile {
    package func reference(_ memory: some ReferenceMemory) {
        var history = memory.floats(history)
        let norm = memory.floats(norm)[0]
        let place = step % ClipToPercentile.historyCount
        if step == 1 { history = history.map { _ in norm * norm } } else { history[place] = norm * norm }
        let current = history[place].squareRoot()
        let clip = history.sorted()[percentile].squareRoot()
        memory.store(history, to: self.history)
        memory.store([current > clip ? clip / current : 1], to: scale)
    }
}

extension ScaleInPlace {
    package func reference(_ memory: some ReferenceMemory) {
        let scale = scale.map { memory.floats($0)[0] } ?? 1
        let scaled = memory.floats(values).map { value -> Float in
            let product = scale * value
            return product > limit ? limit : product < -limit ? -limit : product
        }
        memory.store(scaled, to: values)
    }
}
