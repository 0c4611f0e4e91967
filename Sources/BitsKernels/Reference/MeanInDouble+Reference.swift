extension MeanInDouble {
    package func reference(_ memory: some ReferenceMemory) {
        var sums = [Double](repeating: 0, count: MeanInDouble.strands)
        for (i, value) in memory.floats(input).enumerated() { sums[i % sums.count] += Double(value) }
        var half = sums.count / 2
        while half > 0 {
            for i in 0..<half { sums[i] += sums[i + half] }
            half /= 2
        }
        memory.store([input.count == 0 ? 0 : Float(sums[0] / Double(input.count))], to: mean)
    }
}
