extension Rotary {
    package func reference(_ memory: some ReferenceMemory) {
        let x = memory.floats(input)
        let cosine = memory.floats(cosine)
        let sine = memory.floats(sine)
        let half = headWidth / 2
        var result = x
        for token in 0..<tokens {
            for head in 0..<heads {
                let start = (token * heads + head) * headWidth
                for i in 0..<half {
                    let c = cosine[token * half + i]
                    let s = inverse ? -sine[token * half + i] : sine[token * half + i]
                    result[start + i] = x[start + i] * c - x[start + i + half] * s
                    result[start + i + half] = x[start + i + half] * c + x[start + i] * s
                }
            }
        }
        memory.store(result, to: output)
    }
}
