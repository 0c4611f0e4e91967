import BitsSystem

extension CrossEntropy {
    package func reference(_ memory: some ReferenceMemory) {
        let targets = memory.integers(targets)
        var result = [Float]()
        var slopes = [Float]()
        for (row, target) in zip(memory.floats(logits).rows(rows), targets) {
            guard row.indices.contains(target) else {
                result.append(target == CrossEntropy.ignoreIndex ? 0 : .nan)
                slopes += row.map { _ in 0 }
                continue
            }
            let top = Double(row.max() ?? 0)
            let exponentials = row.map { exp(Double($0) - top) }
            let total = exponentials.reduce(0, +)
            result.append(Float(log(total) + top - Double(row[target])))
            slopes += exponentials.indices.map { Float(Double(gradientScale) * (exponentials[$0] / total - ($0 == target ? 1 : 0))) }
        }
        memory.store(result, to: losses)
        if let gradient { memory.store(slopes, to: gradient) }
    }
}
