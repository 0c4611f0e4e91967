extension Rotary {
    package func reference(_ memory: some ReferenceMemory) {
        let x = memory.floats(input)
        let cosine = memory.floats(cosine)
        let sine = memory.floats(sine)
        let places = positions.map { memory.integers($0) } ?? Array(0..<tokens)
        let half = headWidth / 2
        var result = [Float](repeating: 0, count: x.count)
        for (token, row) in places.enumerated() where row >= 0 && row < rows {
            for head in 0..<heads {
                let start = (token * heads + head) * headWidth
                for i in 0..<half {
                    let c = cosine[row * half + i]
                    let s = inverse ? -sine[row * half + i] : sine[row * half + i]
                    result[start + i] = x[start + i] * c - x[start + i + half] * s
                    result[start + i + half] = x[start + i + half] * c + x[start + i] * s
                }
            }
        }
        memory.store(result, to: output)
    }
}
