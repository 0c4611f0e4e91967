extension QuantizeFourBit {
    package func reference(_ memory: some ReferenceMemory) {
        let values = memory.floats(input)
        var scales = [Float]()
        var nibbles = [UInt8]()
        for block in values.blocks(of: blockSize) {
            let absmax = Array(block).largestMagnitude
            let inverse = 1 / absmax
            scales.append(absmax)
            nibbles += block.map { x in format.code(for: absmax == 0 ? x : x * inverse) }
        }
        if nibbles.count % 2 == 1 { nibbles.append(format.code(for: 0)) }
        memory.store(stride(from: 0, to: nibbles.count, by: 2).map { nibbles[$0] << 4 | nibbles[$0 + 1] }, to: packed)
        memory.store(scales, to: absmax)
        if let nonFiniteCount { memory.store([values.count { !$0.isFinite }], to: nonFiniteCount) }
    }
}

extension DequantizeFourBit {
    package func reference(_ memory: some ReferenceMemory) {
        memory.store(matrix.values(memory), to: output)
    }
}

extension GatherFourBit {
    package func reference(_ memory: some ReferenceMemory) {
        let values = matrix.values(memory)
        let zeros = [Float](repeating: 0, count: matrix.columns)
        let rows = memory.integers(indices).flatMap { row in
            row >= 0 && row < matrix.rows ? Array(values[row * matrix.columns..<(row + 1) * matrix.columns]) : zeros
        }
        memory.store(rows, to: output)
    }
}

extension FourBitMatrix {
    /// One scale per block, in float32.
    package func scaleValues(_ memory: some ReferenceMemory) -> [Float] {
        switch scales {
        case .plain(let absmax):
            return memory.floats(absmax)
        case .nested(let codes, let code, let absmax, let offset, let blockSize):
            let code = memory.floats(code)
            let absmax = memory.floats(absmax)
            let offset = memory.floats(offset)[0]
            return memory.integers(codes).enumerated().map { (i, c) in code[c] * absmax[i / blockSize] + offset }
        }
    }

    /// The matrix in float32, row-major: each element one product, rounded once.
    package func values(_ memory: some ReferenceMemory) -> [Float] {
        let code = memory.floats(code)
        let scales = scaleValues(memory)
        let bytes = memory.load(packed)
        return (0..<rows * columns).map { i in
            let byte = bytes[i / 2]
            return code[Int(i % 2 == 0 ? byte >> 4 : byte & 15)] * scales[i / blockSize]
        }
    }
}
