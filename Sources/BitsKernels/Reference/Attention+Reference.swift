import BitsSystem

extension Attention {
    package func reference(_ memory: some ReferenceMemory) {
        let view = AttentionView(inputs, memory)
        let (shape, value) = (inputs.shape, memory.floats(inputs.value))
        var result = [Float](repeating: 0, count: output.count)
        var logs = [Float](repeating: -.infinity, count: shape.rows)
        view.forEachRow { row in
            let scores = view.scores(of: row).map(\.value)
            guard let top = scores.max() else { return }
            let exponentials = scores.map { exp($0 - top) }
            let total = exponentials.reduce(0, +)
            logs[row.statistics] = Float(top + log(total))
            for h in 0..<shape.valueWidth {
                let sum = zip(row.keys, exponentials).reduce(0) { $0 + Double(value[view.vector(row, $1.0) * shape.valueWidth + h]) * $1.1 }
                result[row.vector * shape.valueWidth + h] = Float(sum / total)
            }
        }
        memory.store(result, to: output)
        if let logSumExp { memory.store(logs, to: logSumExp) }
    }
}

extension AttentionGradient {
    package func reference(_ memory: some ReferenceMemory) {
        let view = AttentionView(inputs, memory)
        let (width, valueWidth, scale) = (inputs.shape.headWidth, inputs.shape.valueWidth, Double(inputs.shape.scale))
        let value = memory.floats(inputs.value)
        let output = memory.floats(output)
        let gradient = memory.floats(outputGradient)
        let logs = memory.floats(logSumExp)
        var dQuery = [Double](repeating: 0, count: gradients.query.count)
        var dKey = [Double](repeating: 0, count: gradients.key.count)
        var dValue = [Double](repeating: 0, count: gradients.value.count)
        var dByQuery = [Double](repeating: 0, count: gradients.byQuery?.count ?? 0)
        var dByKey = [Double](repeating: 0, count: gradients.byKey?.count ?? 0)
        view.forEachRow { row in
            let (q, y) = (row.vector * width, row.vector * valueWidth)
            func dot(_ other: [Float], at offset: Int) -> Double {
                (0..<valueWidth).reduce(0) { $0 + Double(gradient[y + $1]) * Double(other[offset + $1]) }
            }
            let mean = dot(output, at: y)
            for (key, score) in zip(row.keys, view.scores(of: row)) {
                let (k, v) = (view.vector(row, key) * width, view.vector(row, key) * valueWidth)
                let p = exp(score.value - Double(logs[row.statistics]))
                let ds = p * (dot(value, at: v) - mean)
                let dx = ds * score.slope
                for h in 0..<valueWidth { dValue[v + h] += p * Double(gradient[y + h]) }
                for h in 0..<width {
                    dQuery[q + h] += scale * dx * Double(view.key[k + h])
                    dKey[k + h] += scale * dx * Double(view.query[q + h])
                }
                guard let entries = view.relativeEntries(row, key) else { continue }
                if !dByQuery.isEmpty { dByQuery[entries.byQuery] += ds }
                if !dByKey.isEmpty { dByKey[entries.byKey] += ds }
            }
        }
        for (sums, target) in [(dQuery, gradients.query), (dKey, gradients.key), (dValue, gradients.value)] {
            memory.store(sums.map { Float($0) }, to: target)
        }
        if let byQuery = gradients.byQuery { memory.store(dByQuery.map { Float($0) }, to: byQuery) }
        if let byKey = gradients.byKey { memory.store(dByKey.map { Float($0) }, to: byKey) }
    }
}

/// What attention reads, and where its rows find it.
private struct AttentionView {
    /// One query of one head.
    struct Row {
        var batch: Int
        var head: Int
        var query: Int
        /// The keys it sees.
        var keys: Range<Int>
        /// Its vector in query and output.
        var vector: Int
        /// Its element in the log-sum-exp.
        var statistics: Int
    }

    private let shape: AttentionShape
    let query: [Float]
    let key: [Float]
    private let ranges: [Int]
    private var slopes: [Float] = []
    private var byQuery: [Float] = []
    private var byKey: [Float] = []
    private var buckets: [Int] = []
    private var bucketCount = 0

    init(_ inputs: AttentionInputs, _ memory: some ReferenceMemory) {
        shape = inputs.shape
        query = memory.floats(inputs.query)
        key = memory.floats(inputs.key)
        ranges = memory.integers(inputs.keyRanges)
        switch inputs.bias {
        case nil: break
        case .slopes(let slice): slopes = memory.floats(slice)
        case .relative(let queries, let keys, let slice, let count):
            byQuery = queries.map { memory.floats($0) } ?? []
            byKey = keys.map { memory.floats($0) } ?? []
            buckets = memory.integers(slice)
            bucketCount = count
        }
    }

    func forEachRow(_ body: (Row) -> Void) {
        for b in 0..<shape.batch {
            for n in 0..<shape.heads {
                for q in 0..<shape.queries {
                    let token = b * shape.queries + q
                    let (low, high) = (max(ranges[token * 2], 0), min(ranges[token * 2 + 1], shape.keys))
                    let range = low..<max(low, high)
                    body(
                        Row(
                            batch: b, head: n, query: q, keys: shape.window?.narrowed(range, query: q) ?? range, vector: token * shape.heads + n,
                            statistics: (b * shape.heads + n) * shape.queries + q))
                }
            }
        }
    }

    /// The vector of key `k`, and of its value.
    func vector(_ row: Row, _ k: Int) -> Int {
        (row.batch * shape.keyStride + k) * shape.groups + row.head / (shape.heads / shape.groups)
    }

    /// The scores of the keys that a row sees, and what each passes on of its gradient to the scaled product that it was made of.
    func scores(of row: Row) -> [(value: Double, slope: Double)] {
        row.keys.map { k in
            let (q, t) = (row.vector * shape.headWidth, vector(row, k) * shape.headWidth)
            let dot = (0..<shape.headWidth).reduce(0) { $0 + Double(query[q + $1]) * Double(key[t + $1]) }
            let scaled = dot * Double(shape.scale)
            guard let cap = shape.cap.map({ Double($0) }) else { return (scaled + bias(row, k), 1) }
            let share = tanh(scaled / cap)
            return (cap * share + bias(row, k), 1 - share * share)
        }
    }

    private func bias(_ row: Row, _ k: Int) -> Double {
        if !slopes.isEmpty { return Double(slopes[row.head]) * Double(k - (row.keys.upperBound - 1)) }
        guard let entries = relativeEntries(row, k) else { return 0 }
        return (byQuery.isEmpty ? 0 : Double(byQuery[entries.byQuery])) + (byKey.isEmpty ? 0 : Double(byKey[entries.byKey]))
    }

    /// Where the relative bias of a row and a key stands; nil where there is none.
    func relativeEntries(_ row: Row, _ k: Int) -> (byQuery: Int, byKey: Int)? {
        guard !buckets.isEmpty else { return nil }
        let bucket = buckets[row.query - k + shape.keys - 1]
        guard (0..<bucketCount).contains(bucket) else { return nil }
        let keyRow = (row.batch * shape.heads + row.head) * shape.keys + k
        return (row.statistics * bucketCount + bucket, keyRow * bucketCount + bucket)
    }
}
