extension QuantizeBlockwise {
    package func reference(_ memory: some ReferenceMemory) {
        let values = memory.floats(input)
        let shift = offset.map { memory.floats($0)[0] }
        let nearest = NearestCode(codebook: memory.floats(codebook))
        let order = order.map { memory.integers($0) }
        var result = [Int]()
        var scales = [Float]()
        for block in values.blocks(of: blockSize) {
            let block = block.map { x in shift.map { x - $0 } ?? x }
            let absmax = block.largestMagnitude
            let inverse = 1 / absmax
            scales.append(absmax)
            for x in block {
                let y = x * inverse
                let index = nearest(y)
                result.append(y.isNaN ? 0 : order?[index] ?? index)
            }
        }
        memory.store(result, to: codes)
        memory.store(scales, to: absmax)
        if let nonFiniteCount { memory.store([values.count { !$0.isFinite }], to: nonFiniteCount) }
    }
}

extension DequantizeBlockwise {
    package func reference(_ memory: some ReferenceMemory) {
        let codebook = memory.floats(codebook)
        let scales = memory.floats(absmax)
        let shift = offset.map { memory.floats($0)[0] }
        let values = memory.integers(codes).enumerated().map { (i, code) -> Float in
            let value = codebook[code] * scales[i / blockSize]
            return shift.map { value + $0 } ?? value
        }
        memory.store(values, to: output)
    }
}
