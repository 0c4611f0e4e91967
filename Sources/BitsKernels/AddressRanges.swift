/// Memory by its addresses: ranges that do not touch, in order.
struct AddressRanges: Sendable {
    private(set) var ranges: [Range<UInt>] = []

    /// Whether any of `range` belongs to it.
    func overlap(_ range: Range<UInt>) -> Bool {
        let place = firstPlace { $0.upperBound > range.lowerBound }
        return place < ranges.count && ranges[place].overlaps(range)
    }

    mutating func insert(_ range: Range<UInt>) {
        if range.isEmpty { return }
        let start = firstPlace { $0.upperBound >= range.lowerBound }
        var (end, joined) = (start, range)
        while end < ranges.count, ranges[end].lowerBound <= joined.upperBound {
            joined = min(joined.lowerBound, ranges[end].lowerBound)..<max(joined.upperBound, ranges[end].upperBound)
            end += 1
        }
        ranges.replaceSubrange(start..<end, with: CollectionOfOne(joined))
    }

    /// The place of the first range that is `far` enough, as all behind it are.
    private func firstPlace(_ isFar: (Range<UInt>) -> Bool) -> Int {
        var (low, high) = (0, ranges.count)
        while low < high {
            let middle = (low + high) / 2
            if isFar(ranges[middle]) { high = middle } else { low = middle + 1 }
        }
        return low
    }
}
