/// The sum of the squares of the finite elements, in the order of ``VectorNorm``.
func sumOfSquares(_ values: [Float]) -> Double {
    var total = 0.0
    for chunk in values.blocks(of: VectorNorm.chunkSize) {
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
        let norms = inputs.flatMap { input -> [Float] in
            let values = memory.floats(input)
            return [Float(sumOfSquares(values).squareRoot()), Float(values.count { !$0.isFinite })]
        }
        memory.store(norms, to: result)
    }
}

extension ClipToNorm {
    package func reference(_ memory: some ReferenceMemory) {
        let norms = memory.floats(norms)
        let squares = stride(from: 0, to: norms.count, by: 2).reduce(0.0) { $0 + Double(norms[$1]) * Double(norms[$1]) }
        let total = Float(Double(scale) * squares.squareRoot())
        let others = stride(from: 1, to: norms.count, by: 2).reduce(Float(0)) { $0 + norms[$1] }
        memory.store([scale * min(1, limit / (total + 1e-6)), total, others], to: result)
    }
}

extension ClipToPercentile {
    package func reference(_ memory: some ReferenceMemory) {
        let norms = memory.floats(norms)
        let factors = gradients.enumerated().map { i, gradient in gradient.factor(norm: scale * norms[2 * i], memory) * scale }
        memory.store(factors, to: self.factors)
    }
}

extension ClipToPercentile.Gradient {
    fileprivate func factor(norm: Float, _ memory: some ReferenceMemory) -> Float {
        var squares = memory.floats(history)
        let place = step % ClipToPercentile.historyCount
        if step == 1 { squares = squares.map { _ in norm * norm } } else { squares[place] = norm * norm }
        memory.store(squares, to: history)
        let current = squares[place].squareRoot()
        let clip = squares.sorted()[percentile].squareRoot()
        return current > clip ? clip / current : 1
    }
}

extension ScaleInPlace {
    package func reference(_ memory: some ReferenceMemory) {
        let scale = scale.map { memory.floats($0)[0] } ?? 1
        for slice in values {
            let scaled = memory.floats(slice).map { value -> Float in
                let product = scale * value
                return product > limit ? limit : product < -limit ? -limit : product
            }
            memory.store(scaled, to: slice)
        }
    }
}
