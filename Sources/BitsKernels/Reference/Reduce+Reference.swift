import BitsSystem

extension Reduce {
    package func reference(_ memory: some ReferenceMemory) {
        let values = memory.floats(input)
        var result = [Float]()
        for o in 0..<outer {
            for i in 0..<inner {
                let column = (0..<axis).map { values[(o * axis + $0) * inner + i] }
                result.append(operation(column))
            }
        }
        memory.store(result, to: output)
    }
}

extension Reduce.Operation {
    /// The maximum is NaN where an element is.
    func callAsFunction(_ values: [Float]) -> Float {
        switch self {
        case .sum: Float(values.reduce(0) { $0 + Double($1) })
        case .mean: Float(values.reduce(0) { $0 + Double($1) } / Double(values.count))
        case .maximum: values.reduce(-.infinity) { $1 > $0 || $1.isNaN ? $1 : $0 }
        case .sumOfSquares: Float(values.reduce(0) { $0 + Double($1) * Double($1) })
        }
    }
}

extension ArgMax {
    package func reference(_ memory: some ReferenceMemory) {
        memory.store(memory.floats(input).rows(rows).map { $0.firstIndexOfLargest }, to: output)
    }
}

extension Softmax {
    package func reference(_ memory: some ReferenceMemory) {
        let result = memory.floats(input).rows(ofWidth: width).flatMap { row -> [Float] in
            let exponentials = row.map { exp(Double($0) - Double(Reduce.Operation.maximum(row))) }
            let total = exponentials.reduce(0, +)
            return exponentials.map { Float($0 / total) }
        }
        memory.store(result, to: output)
    }
}

extension SoftmaxGradient {
    package func reference(_ memory: some ReferenceMemory) {
        let rows = zip(memory.floats(output).rows(ofWidth: width), memory.floats(outputGradient).rows(ofWidth: width))
        let result = rows.flatMap { y, g -> [Float] in
            let dot = zip(y, g).reduce(0) { $0 + Double($1.0) * Double($1.1) }
            return zip(y, g).map { Float(Double($0) * (Double($1) - dot)) }
        }
        memory.store(result, to: inputGradient)
    }
}

extension [Float] {
    /// The array cut into `count` equal rows.
    func rows(_ count: Int) -> [[Float]] { count == 0 ? [] : rows(ofWidth: self.count / count) }

    func rows(ofWidth width: Int) -> [[Float]] { stride(from: 0, to: count, by: Swift.max(width, 1)).map { Array(self[$0..<$0 + width]) } }

    /// NaN counts as smallest; 0 when there is nothing else.
    fileprivate var firstIndexOfLargest: Int {
        var best = 0
        for index in indices where self[index] > self[best] || (self[best].isNaN && !self[index].isNaN) { best = index }
        return best
    }
}
