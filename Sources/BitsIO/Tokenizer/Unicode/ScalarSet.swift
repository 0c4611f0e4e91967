/// A set of characters, as ranges of their numbers.
struct ScalarSet: Hashable, Sendable {
    /// In order, apart from each other, none empty.
    private(set) var ranges: [Range<UInt32>] = []

    static let all = ScalarSet(0..<0x110000)

    init() {}

    init(_ range: Range<UInt32>) { if !range.isEmpty { ranges = [range] } }

    init(_ scalar: UInt32) { ranges = [scalar..<scalar + 1] }

    /// Takes ranges in any order, which may overlap.
    init(joining parts: [Range<UInt32>]) {
        for part in parts.sorted(by: { $0.lowerBound < $1.lowerBound }) where !part.isEmpty {
            if let last = ranges.last, last.upperBound >= part.lowerBound {
                ranges[ranges.count - 1] = last.lowerBound..<max(last.upperBound, part.upperBound)
            } else {
                ranges.append(part)
            }
        }
    }

    var isEmpty: Bool { ranges.isEmpty }

    func contains(_ scalar: UInt32) -> Bool {
        var (low, high) = (0, ranges.count)
        while low < high {
            let middle = (low + high) / 2
            if ranges[middle].upperBound <= scalar { low = middle + 1 } else { high = middle }
        }
        return low < ranges.count && ranges[low].lowerBound <= scalar
    }

    var inverted: ScalarSet {
        var result = ScalarSet()
        var start: UInt32 = 0
        for range in ranges {
            if start < range.lowerBound { result.ranges.append(start..<range.lowerBound) }
            start = range.upperBound
        }
        if start < 0x110000 { result.ranges.append(start..<0x110000) }
        return result
    }

    func union(_ other: ScalarSet) -> ScalarSet { ScalarSet(joining: ranges + other.ranges) }

    func intersection(_ other: ScalarSet) -> ScalarSet { inverted.union(other.inverted).inverted }

    func subtracting(_ other: ScalarSet) -> ScalarSet { inverted.union(other).inverted }

    /// What lies in one of the two alone.
    func symmetricDifference(_ other: ScalarSet) -> ScalarSet { subtracting(other).union(other.subtracting(self)) }
}
