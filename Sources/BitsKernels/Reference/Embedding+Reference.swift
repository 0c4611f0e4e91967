extension EmbeddingGather {
    package func reference(_ memory: some ReferenceMemory) {
        let rows = memory.floats(table).rows(ofWidth: width)
        let zeros = [Float](repeating: 0, count: width)
        memory.store(memory.integers(indices).flatMap { rows.indices.contains($0) ? rows[$0] : zeros }, to: output)
    }
}

extension EmbeddingScatterAdd {
    /// Sums are float32; a table of 16 bits is rounded once, at the end.
    package func reference(_ memory: some ReferenceMemory) {
        let gradient = memory.floats(outputGradient)
        var table = memory.floats(tableGradient)
        for (position, index) in memory.integers(indices).enumerated() where index >= 0 && (index + 1) * width <= table.count {
            for i in 0..<width { table[index * width + i] += gradient[position * width + i] }
        }
        memory.store(table, to: tableGradient)
    }
}
