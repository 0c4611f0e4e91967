import BitsCore
import _BitsTestSupport

/// An operation with operands to differentiate it by.
struct GradientCase: Sendable, CustomStringConvertible {
    let description: String
    let shapes: [[Int]]
    /// Where the operands' elements come from; in the middle of it nothing bends sharply.
    let range: ClosedRange<Float>
    let operation: @Sendable ([Tensor]) -> Tensor

    init(
        _ description: String, _ shapes: [[Int]], in range: ClosedRange<Float> = -2...2, _ operation: @escaping @Sendable ([Tensor]) -> Tensor
    ) {
        self.description = description
        self.shapes = shapes
        self.range = range
        self.operation = operation
    }

    /// For every operand, how far the gradient by the tape is from the one by finite differences.
    func differences() throws -> [Double] {
        var random = RandomGenerator(seed: 1)
        let points = shapes.map { try? Tensor.uniform($0, in: range, using: &random).floats() }.map { $0 ?? [] }
        func result(_ values: [[Float]], isTrainable: Bool) -> (output: Tensor, parameters: [Parameter]) {
            let parameters = zip(values, shapes).map { Parameter(Tensor($0, shape: $1), isTrainable: isTrainable) }
            return (operation(parameters.map(\.tensor)), parameters)
        }
        let (output, parameters) = result(points, isTrainable: true)
        let slopes = Tensor.normal(output.shape, using: &random)
        let slopeValues = try slopes.floats().map { Double($0) }
        output.backward(from: slopes)
        return try points.indices.map { index in
            let expected = try finiteDifferences(at: points[index]) { moved in
                var values = points
                values[index] = moved
                return try zip(result(values, isTrainable: false).output.floats(), slopeValues).reduce(0) { $0 + Double($1.0) * $1.1 }
            }
            guard let gradient = parameters[index].gradient, gradient.shape == shapes[index] else { return .infinity }
            return largestDifference(try gradient.floats(), from: expected)
        }
    }
}

extension GradientCase {
    static let all: [GradientCase] = arithmetic + functions + views + reductions + products + layers + losses

    static let arithmetic: [GradientCase] = [
        GradientCase("sum", [[3, 4], [3, 4]]) { $0[0] + $0[1] },
        GradientCase("sum, broadcast both ways", [[3, 1, 4], [2, 4]]) { $0[0] + $0[1] },
        GradientCase("difference, broadcast from a scalar", [[], [2, 3]]) { $0[0] - $0[1] },
        GradientCase("product", [[3, 4], [3, 4]]) { $0[0] * $0[1] },
        GradientCase("product, broadcast both ways", [[3, 1, 4], [2, 1]]) { $0[0] * $0[1] },
        GradientCase("product with itself", [[5]]) { $0[0] * $0[0] },
        GradientCase("quotient, broadcast", [[2, 3], [3]], in: 0.5...2) { $0[0] / $0[1] },
        GradientCase("quotient, broadcast above", [[3], [2, 3]], in: 0.5...2) { $0[0] / $0[1] },
        GradientCase("scaled and shifted", [[2, 3]]) { -(($0[0] * 3 + 1 - 0.5) / 7) + 2 * $0[0] },
    ]

    static let functions: [GradientCase] =
        [
            GradientCase("exp", [[7]]) { $0[0].exp() },
            GradientCase("log", [[7]], in: 0.5...2) { $0[0].log() },
            GradientCase("square root", [[7]], in: 0.5...2) { $0[0].squareRoot() },
            GradientCase("reciprocal square root", [[7]], in: 0.5...2) { $0[0].reciprocalSquareRoot() },
            GradientCase("tanh", [[7]]) { $0[0].tanh() },
            GradientCase("sigmoid", [[7]]) { $0[0].sigmoid() },
            GradientCase("squared", [[7]]) { $0[0].squared() },
            GradientCase("absolute value, right of zero", [[7]], in: 0.1...2) { $0[0].absoluteValue() },
            GradientCase("absolute value, left of zero", [[7]], in: -2 ... -0.1) { $0[0].absoluteValue() },
            GradientCase("softmax", [[3, 5]]) { $0[0].softmax() },
        ]
        + Activation.allCases.flatMap { activation in
            [(-2 ... -0.1) as ClosedRange<Float>, 0.1...2].flatMap { range in
                [
                    GradientCase("\(activation) over \(range)", [[7]], in: range) { $0[0].activated(activation) },
                    GradientCase("gated \(activation) over \(range)", [[2, 5], [2, 5]], in: range) { gated(activation, gate: $0[0], up: $0[1]) },
                ]
            }
        }

    static let views: [GradientCase] = [
        GradientCase("reshaped", [[2, 6]]) { $0[0].reshaped(3, -1).squared() },
        GradientCase("reshaped after a transposition", [[2, 3, 2]]) { $0[0].transposed(0, 2).reshaped(-1).squared() },
        GradientCase("transposed", [[2, 3, 2]]) { $0[0].transposed(0, 1).squared() },
        GradientCase("narrowed", [[4, 3]]) { $0[0].narrowed(axis: 0, to: 1..<3).squared() },
        GradientCase("narrowed at the last axis", [[2, 5]]) { $0[0].narrowed(axis: -1, to: 2..<5).squared() },
        GradientCase("broadcast", [[3, 1]]) { $0[0].broadcast(to: [2, 3, 4]).squared() },
        GradientCase("contiguous", [[3, 4]]) { $0[0].transposed().contiguous().squared() },
        GradientCase("concatenated", [[2, 3], [1, 3]]) { Tensor.concatenated($0).squared() },
        GradientCase("concatenated at the last axis", [[2, 3], [2, 1], [2, 2]]) { Tensor.concatenated($0, axis: -1).squared() },
    ]

    static let reductions: [GradientCase] = [
        GradientCase("sum over an axis", [[2, 3, 4]]) { $0[0].squared().sum(axis: 1) },
        GradientCase("sum keeping its axis", [[2, 3, 4]]) { $0[0].squared().sum(axis: -1, keepingAxis: true) },
        GradientCase("mean over an axis", [[2, 3, 4]]) { $0[0].squared().mean(axis: 0) },
        GradientCase("sum", [[2, 3]]) { $0[0].squared().sum() },
        GradientCase("mean", [[2, 3]]) { $0[0].squared().mean() },
    ]

    static let products: [GradientCase] = [
        GradientCase("matrix product", [[2, 3, 4], [4, 5]]) { $0[0].matrixProduct($0[1]) },
        GradientCase("matrix product of a transposed one", [[4, 3], [4, 5]]) { $0[0].transposed().matrixProduct($0[1]) },
        GradientCase("linear", [[2, 3, 4], [5, 4]]) { $0[0].linear($0[1]) },
        GradientCase("linear with a bias", [[3, 4], [5, 4], [5]]) { $0[0].linear($0[1], bias: $0[2]) },
        GradientCase("linear of a vector", [[4], [5, 4], [5]]) { $0[0].linear($0[1], bias: $0[2]) },
    ]

    static let layers: [GradientCase] = [
        GradientCase("low-rank update", [[2, 3, 4], [5, 4], [2, 4], [5, 2]]) {
            $0[0].linear($0[1]).addingLowRank(of: $0[0], down: $0[2], up: $0[3], scale: 1.5)
        },
        GradientCase("low-rank update from another input, unscaled", [[3, 4], [5, 4], [3, 6], [1, 6], [5, 1]]) {
            $0[0].linear($0[1]).addingLowRank(of: $0[2], down: $0[3], up: $0[4], scale: 1)
        },
        GradientCase("dropout", [[4, 5]]) {
            var random = RandomGenerator(seed: 5)
            return $0[0].dropout(0.4, using: &random)
        },
        GradientCase("rows of a table, some twice", [[5, 3]]) { $0[0].rows(Tensor([Int32]([4, 0, 4, 2]), shape: [2, 2])) },
        GradientCase("RMS norm", [[3, 8], [8]]) { $0[0].rmsNorm(weight: $0[1], epsilon: 1e-5) },
        GradientCase("layer norm", [[3, 8], [8], [8]]) { $0[0].layerNorm(weight: $0[1], bias: $0[2], epsilon: 1e-5) },
        GradientCase("layer norm without a bias", [[3, 8], [8]]) { $0[0].layerNorm(weight: $0[1], bias: nil, epsilon: 1e-5) },
        GradientCase("rotary embedding", [[1, 3, 2, 4]]) { x in
            let angles = Tensor([Float]([0, 0, 1, 0.1, 2, 0.2]), shape: [3, 2])
            let cosine = Tensor.ones([3, 2]) - angles.squared() / 2
            return x[0].rotated(RotaryAngles(cosine: cosine, sine: angles, positions: Tensor([Int32]([2, 0, 2]))))
        },
        GradientCase("attention, causal, two heads a key", [[1, 4, 4, 4], [1, 4, 2, 4], [1, 4, 2, 4]], in: -1...1) {
            attention(query: $0[0], key: $0[1], value: $0[2], ranges: AttentionRanges((0..<4).map { 0..<$0 + 1 }, batch: 1))
        },
        GradientCase("attention, padded, a query that sees nothing", [[2, 3, 2, 4], [2, 3, 1, 4], [2, 3, 1, 4]], in: -1...1) {
            let ranges = [0..<1, 0..<2, 0..<3, 0..<0, 1..<2, 1..<3]
            return attention(query: $0[0], key: $0[1], value: $0[2], ranges: AttentionRanges(ranges, batch: 2), options: AttentionOptions(scale: 0.7))
        },
        GradientCase("attention with bounded scores", [[1, 4, 2, 4], [1, 4, 1, 4], [1, 4, 1, 4]], in: -1...1) {
            let ranges = AttentionRanges((0..<4).map { 0..<$0 + 1 }, batch: 1)
            return attention(query: $0[0], key: $0[1], value: $0[2], ranges: ranges, options: AttentionOptions(scale: 1, cap: 0.5))
        },
        GradientCase("attention with slopes, a window and wider values", [[1, 4, 3, 2], [1, 4, 1, 2], [1, 4, 1, 3]], in: -1...1) {
            let options = AttentionOptions(window: .last(3), bias: .alibi(heads: 3))
            return attention(
                query: $0[0], key: $0[1], value: $0[2], ranges: AttentionRanges((0..<4).map { 0..<$0 + 1 }, batch: 1), options: options)
        },
        GradientCase(
            "disentangled attention", [[2, 3, 2, 4], [2, 3, 2, 4], [2, 3, 2, 4], [4, 2, 4], [4, 2, 4]], in: -1...1
        ) {
            let bias = AttentionBias.relative(
                byQuery: $0[0].headProducts($0[3]), byKey: $0[1].headProducts($0[4]), buckets: Tensor([Int32]([0, 1, 2, 3, 3])))
            return attention(
                query: $0[0], key: $0[1], value: $0[2], ranges: AttentionRanges((0..<6).map { _ in 0..<3 }, batch: 2),
                options: AttentionOptions(bias: bias))
        },
        GradientCase("attention with a bias by key alone", [[1, 3, 1, 2], [1, 3, 1, 2], [1, 3, 1, 2], [1, 1, 3, 2]], in: -1...1) {
            attention(
                query: $0[0], key: $0[1], value: $0[2], ranges: AttentionRanges((0..<3).map { _ in 0..<3 }, batch: 1),
                options: AttentionOptions(bias: .relative(byQuery: nil, byKey: $0[3], buckets: Tensor([Int32]([0, 1, 0, 1, 1])))))
        },
    ]

    static let losses: [GradientCase] = [
        GradientCase("cross-entropy, one target left out", [[3, 6]]) { $0[0].crossEntropy(Tensor([Int32]([5, -100, 0]))) },
        GradientCase("cross-entropy in chunks", [[5, 4], [7, 4]]) { x in
            chunkedCrossEntropy(x[0], targets: Tensor([Int32]([6, 0, -100, 3, 3])), chunk: 2) { $0.linear(x[1]) }
        },
        GradientCase("mean cross-entropy in one chunk, with a bias", [[5, 4], [7, 4], [7]]) { x in
            chunkedCrossEntropy(x[0], targets: Tensor([Int32]([6, 0, -100, 3, 3])), reduction: .mean) { $0.linear(x[1], bias: x[2]) }
        },
        GradientCase("cross-entropy of capped logits, the head computed from something else", [[5, 4], [7, 4], [1]]) { x in
            let head = x[1] * x[2]
            return chunkedCrossEntropy(x[0] * x[2], targets: Tensor([Int32]([6, 0, -100, 3, 3])), chunk: 3) { ($0.linear(head) * 0.5).tanh() }
        },
    ]
}
