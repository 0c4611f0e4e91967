public import BitsCore
import BitsIO

/// How closely a tensor has to agree with the recorded one: bit for bit unless the case says otherwise.
public struct ParityTolerance: Sendable {
    /// Floats may differ by `absolute + relative * |recorded|`.
    public var relative: Double = 0
    public var absolute: Double = 0
    /// How many codes, or which share of them, may be off by one.
    public var mismatchCount = 0
    public var mismatchShare: Double = 0
    /// Recorded, not to be compared.
    public var ignores = false

    public init() {}

    init(_ fields: ConfigurationFields) throws {
        relative = try fields.value("rtol", default: 0)
        absolute = try fields.value("atol", default: 0)
        mismatchShare = try fields.value("mismatch", default: 0)
        mismatchCount = try fields.value("mismatches", default: 0)
        ignores = try fields.value("ignore", default: false)
    }

    /// What is wrong with `actual`, in words; nil when it agrees with `expected`.
    ///
    /// - Parameter slack: what each element may differ by besides, where a test knows of a reason.
    public func difference(_ actual: Tensor, _ expected: Tensor, slack: [Double]? = nil) throws -> String? {
        if ignores { return nil }
        guard actual.shape == expected.shape, actual.dtype == expected.dtype else { return "is \(actual), not \(expected)" }
        if try actual.bytes() == expected.bytes() { return nil }
        if mismatchCount > 0 || mismatchShare > 0 {
            return codeDifference(try actual.integers(), try expected.integers())
        }
        let (a, e) = (try actual.floats(), try expected.floats())
        guard relative > 0 || absolute > 0 else {
            // Bytes differ: name the first that does.
            let i = a.indices.first { a[$0].bitPattern != e[$0].bitPattern } ?? 0
            return "has \(a[i]) at \(i), not \(e[i]), bit for bit"
        }
        let wrong = a.indices.first { i in
            let (x, y) = (Double(a[i]), Double(e[i]))
            return !(x == y || (x.isNaN && y.isNaN) || abs(x - y) <= absolute + relative * abs(y) + (slack?[i] ?? 0))
        }
        return wrong.map { "has \(a[$0]) at \($0), not \(e[$0]) within \(relative) relative and \(absolute) absolute" }
    }

    /// What is wrong with codes, in words; nil when at most the allowed number differ, each by one step.
    ///
    /// - Parameter rank: the place of each code in the order of values, where that is not the code itself.
    public func codeDifference(_ actual: [Int], _ expected: [Int], rank: [Int]? = nil) -> String? {
        if ignores { return nil }
        guard actual.count == expected.count else { return "has \(actual.count) codes, not \(expected.count)" }
        let different = actual.indices.filter { actual[$0] != expected[$0] }
        func distance(_ i: Int) -> Int { abs((rank?[actual[i]] ?? actual[i]) - (rank?[expected[i]] ?? expected[i])) }
        if let far = different.first(where: { distance($0) != 1 }) { return "has code \(actual[far]) at \(far), not \(expected[far])" }
        let allowed = max(mismatchCount, Int(mismatchShare * Double(expected.count)))
        return different.count > allowed ? "has \(different.count) codes off by one, more than \(allowed)" : nil
    }
}
