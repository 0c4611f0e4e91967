extension RMSNorm {
    package func reference(_ memory: some ReferenceMemory) {
        let weight = memory.floats(weight).map(Double.init)
        var result = [Float]()
        var reciprocals = [Float]()
        for row in memory.floats(input).rows(ofWidth: weight.count) {
            let meanSquare = row.reduce(0) { $0 + Double($1) * Double($1) } / Double(row.count)
            let reciprocal = 1 / (meanSquare + Double(epsilon)).squareRoot()
            reciprocals.append(Float(reciprocal))
            result += zip(row, weight).map { Float(Double($0) * reciprocal * $1) }
        }
        memory.store(result, to: output)
        if let reciprocal { memory.store(reciprocals, to: reciprocal) }
    }
}

extension RMSNormGradient {
    package func reference(_ memory: some ReferenceMemory) {
        let gradient = NormGradient(
            memory, input: input, weight: memory.floats(weight), mean: nil, reciprocal: reciprocal, outputGradient: outputGradient)
        if let inputGradient { memory.store(gradient.input, to: inputGradient) }
        if let weightGradient { memory.store(gradient.weight.map { Float($0) }, to: weightGradient) }
    }
}

extension LayerNorm {
    package func reference(_ memory: some ReferenceMemory) {
        let weight = weight.map { memory.floats($0) } ?? [Float](repeating: 1, count: width)
        let bias = bias.map { memory.floats($0) } ?? [Float](repeating: 0, count: width)
        var result = [Float]()
        var means = [Float]()
        var reciprocals = [Float]()
        for row in memory.floats(input).rows(ofWidth: width) {
            let mean = row.reduce(0) { $0 + Double($1) } / Double(width)
            let variance = row.reduce(0) { $0 + (Double($1) - mean) * (Double($1) - mean) } / Double(width)
            let reciprocal = 1 / (variance + Double(epsilon)).squareRoot()
            means.append(Float(mean))
            reciprocals.append(Float(reciprocal))
            result += row.indices.map { Float((Double(row[$0]) - mean) * reciprocal * Double(weight[$0]) + Double(bias[$0])) }
        }
        memory.store(result, to: output)
        if let mean { memory.store(means, to: mean) }
        if let reciprocal { memory.store(reciprocals, to: reciprocal) }
    }
}

extension LayerNormGradient {
    package func reference(_ memory: some ReferenceMemory) {
        let weight = weight.map { memory.floats($0) } ?? [Float](repeating: 1, count: width)
        let gradient = NormGradient(memory, input: input, weight: weight, mean: mean, reciprocal: reciprocal, outputGradient: outputGradient)
        if let inputGradient { memory.store(gradient.input, to: inputGradient) }
        if let weightGradient { memory.store(gradient.weight.map { Float($0) }, to: weightGradient) }
        if let biasGradient { memory.store(gradient.bias.map { Float($0) }, to: biasGradient) }
    }
}

/// The gradients of both norms: RMS norm is the one without means.
private struct NormGradient {
    var input: [Float] = []
    var weight: [Double]
    var bias: [Double]

    init(_ memory: some ReferenceMemory, input: Slice, weight: [Float], mean: Slice?, reciprocal: Slice, outputGradient: Slice) {
        let width = weight.count
        self.weight = [Double](repeating: 0, count: width)
        self.bias = [Double](repeating: 0, count: width)
        let rows = memory.floats(input).rows(ofWidth: width)
        let gradients = memory.floats(outputGradient).rows(ofWidth: width)
        let means = mean.map { memory.floats($0) }
        let reciprocals = memory.floats(reciprocal)
        for r in rows.indices {
            let scale = Double(reciprocals[r])
            let normalized = rows[r].map { (Double($0) - Double(means?[r] ?? 0)) * scale }
            let g = zip(gradients[r], weight).map { Double($0) * Double($1) }
            let meanG = means == nil ? 0 : g.reduce(0, +) / Double(width)
            let meanGN = zip(g, normalized).reduce(0) { $0 + $1.0 * $1.1 } / Double(width)
            self.input += zip(g, normalized).map { Float(scale * ($0 - meanG - $1 * meanGN)) }
            for i in 0..<width {
                self.weight[i] += Double(gradients[r][i]) * normalized[i]
                self.bias[i] += Double(gradients[r][i])
            }
        }
    }
}
