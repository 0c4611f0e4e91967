extension Int8Matrix {
    /// The matrix in float32, row-major.
    func values(_ memory: some ReferenceMemory) -> [Float] { rowsOfCodes(memory).values(columns: columns) }

    func rowsOfCodes(_ memory: some ReferenceMemory) -> Int8Rows { Int8Rows(codes: memory.integers(codes), scales: memory.floats(scales)) }
}

extension DequantizeInt8 {
    package func reference(_ memory: some ReferenceMemory) { memory.store(matrix.values(memory), to: output) }
}

extension GatherInt8 {
    package func reference(_ memory: some ReferenceMemory) {
        let values = matrix.values(memory)
        let width = matrix.columns
        let gathered = memory.integers(indices).flatMap { row in
            row >= 0 && row < matrix.rows ? Array(values[row * width..<(row + 1) * width]) : [Float](repeating: 0, count: width)
        }
        memory.store(gathered, to: output)
    }
}
