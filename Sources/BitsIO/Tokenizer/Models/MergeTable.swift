/// Which pairs of tokens merge, how early, and into what.
struct MergeTable: Sendable {
    /// No merge.
    static let none = UInt32.max

    /// The pair, then its rank in the upper half and the merged token in the lower; a power of two of such entries.
    private var entries: [UInt64]
    private let mask: Int

    private static let free = UInt64.max

    /// - Parameter merges: in order of rank; a pair that repeats has its last rank.
    init(_ merges: [(left: UInt32, right: UInt32, merged: UInt32)]) {
        var capacity = 16
        while capacity < merges.count * 2 { capacity *= 2 }
        mask = capacity - 1
        entries = [UInt64](repeating: MergeTable.free, count: 2 * capacity)
        for (rank, merge) in merges.enumerated() {
            let pair = UInt64(merge.left) << 32 | UInt64(merge.right)
            var slot = MergeTable.slot(pair) & mask
            while entries[2 * slot] != MergeTable.free && entries[2 * slot] != pair { slot = (slot + 1) & mask }
            entries[2 * slot] = pair
            entries[2 * slot + 1] = UInt64(rank) << 32 | UInt64(merge.merged)
        }
    }

    /// The rank of a pair, ``none`` when it does not merge, and the merged token.
    @inline(__always)
    func merge(_ left: UInt32, _ right: UInt32) -> (rank: UInt32, merged: UInt32) {
        let pair = UInt64(left) << 32 | UInt64(right)
        var slot = MergeTable.slot(pair) & mask
        while true {
            let key = entries[2 * slot]
            if key == pair {
                let value = entries[2 * slot + 1]
                return (UInt32(truncatingIfNeeded: value >> 32), UInt32(truncatingIfNeeded: value))
            }
            if key == MergeTable.free { return (MergeTable.none, 0) }
            slot = (slot + 1) & mask
        }
    }

    @inline(__always)
    private static func slot(_ pair: UInt64) -> Int {
        let mixed = (pair ^ (pair >> 29)) &* 0x9e37_79b9_7f4a_7c15
        return Int(truncatingIfNeeded: mixed >> 32)
    }
}
