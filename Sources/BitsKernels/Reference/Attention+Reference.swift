import BitsSystem

extension Attention {
    package func reference(_ memory: some ReferenceMemory) {
        let view = AttentionView(shape, query: memory.floats(query), key: memory.floats(key), ranges: memory.integers(keyRanges))
        let value = memory.floats(value)
        var result = [Float](repeating: 0, count: output.count)
        var logs = [Float](repeating: -.infinity, count: shape.batch * shape.heads * shape.queries)
        view.forEachRow { row in
            let scores = view.scores(of: row)
            guard let top = scores.max() else { return }
            let exponentials = scores.map { exp($0 - top) }
            let total = exponentials.reduce(0, +)
            logs[row.statistics] = Float(top + log(total))
            for h in 0..<shape.headWidth {
                let sum = zip(row.keys, exponentials).reduce(0) { $0 + Double(value[view.keyOffset(row, $1.0) + h]) * $1.1 }
                result[row.query + h] = Float(sum / total)
            }
        }
        memory.store(result, to: output)
        if let logSumExp { memory.store(logs, to: logSumExp) }
    }
}

extension AttentionGradient {
    package func reference(_ memory: some ReferenceMemory) {
        let query = memory.floats(query)
        let key = memory.floats(key)
        let value = memory.floats(value)
        let output = memory.floats(output)
        let gradient = memory.floats(outputGradient)
        let logs = memory.floats(logSumExp)
        let view = AttentionView(shape, query: query, key: key, ranges: memory.integers(keyRanges))
        var dQuery = [Double](repeating: 0, count: query.count)
        var dKey = [Double](repeating: 0, count: key.count)
        var dValue = [Double](repeating: 0, count: value.count)
        let scale = Double(shape.scale)
        view.forEachRow { row in
            func dot(_ other: [Float], at offset: Int) -> Double {
                (0..<shape.headWidth).reduce(0) { $0 + Double(gradient[row.query + $1]) * Double(other[offset + $1]) }
            }
            let mean = dot(output, at: row.query)
            for (k, score) in zip(row.keys, view.scores(of: row)) {
                let at = view.keyOffset(row, k)
                let p = exp(score - Double(logs[row.statistics]))
                let ds = p * (dot(value, at: at) - mean)
                for h in 0..<shape.headWidth {
                    dValue[at + h] += p * Double(gradient[row.query + h])
                    dQuery[row.query + h] += scale * ds * Double(key[at + h])
                    dKey[at + h] += scale * ds * Double(query[row.query + h])
                }
            }
        }
        memory.store(dQuery.map { Float($0) }, to: queryGradient)
        memory.store(dKey.map { Float($0) }, to: keyGradient)
        memory.store(dValue.map { Float($0) }, to: valueGradient)
    }
}

/// Where the operands of attention lie.
private struct AttentionView {
    /// One query of one head.
    struct Row {
        var batch: Int
        var group: Int
        /// The keys it sees.
        var keys: Range<Int>
        /// Its first element in query and output.
        var query: Int
        /// Its element in the log-sum-exp.
        var statistics: Int
    }

    let shape: AttentionShape
    let query: [Float]
    let key: [Float]
    let ranges: [Int]

    init(_ shape: AttentionShape, query: [Float], key: [Float], ranges: [Int]) {
        self.shape = shape
        self.query = query
        self.key = key
        self.ranges = ranges
    }

    func forEachRow(_ body: (Row) -> Void) {
        for b in 0..<shape.batch {
            for n in 0..<shape.heads {
                for q in 0..<shape.queries {
                    let low = max(ranges[(b * shape.queries + q) * 2], 0)
                    let high = min(ranges[(b * shape.queries + q) * 2 + 1], shape.keys)
                    body(
                        Row(
                            batch: b, group: n / (shape.heads / shape.groups), keys: low..<max(low, high),
                            query: ((b * shape.queries + q) * shape.heads + n) * shape.headWidth,
                            statistics: (b * shape.heads + n) * shape.queries + q))
                }
            }
        }
    }

    /// The first element of key `k`, and of its value.
    func keyOffset(_ row: Row, _ k: Int) -> Int { ((row.batch * shape.keyStride + k) * shape.groups + row.group) * shape.headWidth }

    func scores(of row: Row) -> [Double] {
        row.keys.map { k in
            let offset = keyOffset(row, k)
            let dot = (0..<shape.headWidth).reduce(0) { $0 + Double(query[row.query + $1]) * Double(key[offset + $1]) }
            return dot * Double(shape.scale)
        }
    }
}
