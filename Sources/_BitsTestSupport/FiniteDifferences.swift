/// The gradient of `loss` at `point` by differences of fourth order, for comparison with a gradient computed by formula.
///
/// - Parameter step: a power of two, so that the points in between are exact.
public func finiteDifferences(at point: [Float], step: Float = 0x1p-6, of loss: ([Float]) throws -> Double) rethrows -> [Double] {
    try point.indices.map { i in
        func value(_ steps: Float) throws -> Double {
            var moved = point
            moved[i] += steps * step
            return try loss(moved)
        }
        return try (8 * (value(1) - value(-1)) - (value(2) - value(-2))) / (12 * Double(step))
    }
}

/// The largest difference between two gradients, relative to the larger of 1 and the largest expected element.
public func largestDifference(_ found: [Float], from expected: [Double]) -> Double {
    guard found.count == expected.count else { return .infinity }
    let scale = expected.map(abs).reduce(1, max)
    return zip(found, expected).map { abs(Double($0) - $1) / scale }.reduce(0) { $1 > $0 || $1.isNaN ? $1 : $0 }
}
