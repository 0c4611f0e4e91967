public import BitsCore

/// The largest difference of `found` from `expected`, as a share of the largest expected magnitude; infinite where shapes differ or a value is NaN.
public func distance(_ found: Tensor, _ expected: Tensor) throws -> Double {
    guard found.shape == expected.shape else { return .infinity }
    let (a, e) = (try found.floats(), try expected.floats())
    let scale = Double(e.map(abs).max() ?? 0)
    return zip(a, e).reduce(0) { worst, pair in
        if pair.0 == pair.1 { return worst }
        let difference = abs(Double(pair.0) - Double(pair.1)) / scale
        return difference <= worst ? worst : difference.isNaN ? .infinity : difference
    }
}
