extension AdvancePositions {
    package func reference(_ memory: some ReferenceMemory) {
        let before = memory.integers(lengths)
        let places = before.flatMap { length in (0..<tokens).map { length < 0 ? -1 : length + $0 } }
        memory.store(places, to: positions)
        memory.store(places.flatMap { [0, $0 + 1] }, to: keyRanges)
        memory.store(before.map { $0 < 0 ? $0 : $0 + tokens }, to: lengths)
    }
}

extension CacheWrite {
    package func reference(_ memory: some ReferenceMemory) {
        let places = memory.integers(positions)
        for (values, cache) in [(key, keyCache), (value, valueCache)] {
            let rows = memory.floats(values)
            var kept = memory.floats(cache)
            for (row, position) in places.enumerated() where position >= 0 && position < capacity {
                let start = (row / (places.count / sequences) * capacity + position) * width
                kept.replaceSubrange(start..<start + width, with: rows[row * width..<(row + 1) * width])
            }
            memory.store(kept, to: cache)
        }
    }
}
