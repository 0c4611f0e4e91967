/// The memory that encoding works in, kept from text to text: symbols, their merges, and the latest words' tokens.
struct BytePairScratch: Sendable {
    /// Pieces of at most this many symbols are merged by looking through them each time; longer ones with a heap.
    static let shortCount = 24

    /// The tokens so far.
    var symbols: [UInt32] = []
    var text: [UInt8] = []
    /// Of unigram models.
    var path = UnigramPath()
    /// For each symbol, what merging it with the next gives: the rank in the upper half, the token in the lower.
    private var pairs: [UInt64] = []
    private var next: [Int32] = []
    private var previous: [Int32] = []
    private var heap = MinimumHeap()

    // Direct-mapped: a word's slot holds the last word that fell there.
    private var cachedKeys: [Key]
    private var cachedTokens: [SIMD4<Int32>]
    private static let slotCount = 1 << 13

    init() {
        cachedKeys = [Key](repeating: Key.empty, count: BytePairScratch.slotCount)
        cachedTokens = [SIMD4<Int32>](repeating: SIMD4(repeating: -1), count: BytePairScratch.slotCount)
    }

    /// A piece of at most 15 bytes, and its length.
    struct Key: Sendable, Equatable {
        var low: UInt64
        var high: UInt64

        static let empty = Key(low: 0, high: 0)

        private init(low: UInt64, high: UInt64) {
            self.low = low
            self.high = high
        }

        @inline(__always)
        init?(_ piece: Span<UInt8>) {
            let count = piece.count
            guard count > 0, count < 16 else { return nil }
            low = 0
            high = UInt64(count)
            for index in 0..<min(count, 8) { low = low << 8 | UInt64(piece[index]) }
            for index in min(count, 8)..<count { high = high << 8 | UInt64(piece[index]) }
        }

        @inline(__always)
        var slot: Int {
            let mixed = (low ^ high &* 0xff51_afd7_ed55_8ccd) &* 0x9e37_79b9_7f4a_7c15
            return Int(truncatingIfNeeded: mixed >> 40) & (BytePairScratch.slotCount - 1)
        }
    }

    /// Appends the tokens of a word seen lately; false when it was not.
    @inline(__always)
    func appendCached(_ key: Key, to output: inout [Int32]) -> Bool {
        let slot = key.slot
        guard cachedKeys[slot] == key else { return false }
        let tokens = cachedTokens[slot]
        for lane in 0..<4 {
            guard tokens[lane] >= 0 else { break }
            output.append(tokens[lane])
        }
        return true
    }

    /// Keeps the tokens of a word, when they are at most four.
    mutating func remember(_ key: Key, _ output: [Int32], from start: Int) {
        guard output.count - start <= 4 else { return }
        var tokens = SIMD4<Int32>(repeating: -1)
        for index in start..<output.count { tokens[index - start] = output[index] }
        cachedKeys[key.slot] = key
        cachedTokens[key.slot] = tokens
    }

    private static let noPair = UInt64.max

    @inline(__always)
    private func pair(_ merges: MergeTable, _ left: UInt32, _ right: UInt32) -> UInt64 {
        let merge = merges.merge(left, right)
        return merge.rank == MergeTable.none ? BytePairScratch.noPair : UInt64(merge.rank) << 32 | UInt64(merge.merged)
    }

    /// An entry of the heap: the pair's rank, then its place.
    private static func candidate(_ pair: UInt64, _ position: Int) -> UInt64 { pair & ~0xffff_ffff | UInt64(position) }

    /// Merges ``symbols``, looking through all pairs for each merge.
    mutating func mergeShort(_ merges: MergeTable) {
        guard symbols.count > 1 else { return }
        pairs.removeAll(keepingCapacity: true)
        for index in 1..<symbols.count { pairs.append(pair(merges, symbols[index - 1], symbols[index])) }
        while true {
            var best = BytePairScratch.noPair
            var position = 0
            for index in pairs.indices where pairs[index] >> 32 < best >> 32 {
                best = pairs[index]
                position = index
            }
            if best == BytePairScratch.noPair { return }
            symbols[position] = UInt32(truncatingIfNeeded: best)
            symbols.remove(at: position + 1)
            pairs.remove(at: position)
            if position < pairs.count { pairs[position] = pair(merges, symbols[position], symbols[position + 1]) }
            if position > 0 { pairs[position - 1] = pair(merges, symbols[position - 1], symbols[position]) }
        }
    }

    /// Merges ``symbols`` with a heap of candidate pairs, in n log n.
    mutating func mergeLong(_ merges: MergeTable) {
        let count = symbols.count
        next = (0..<Int32(count)).map { $0 + 1 }
        previous = (0..<Int32(count)).map { $0 - 1 }
        pairs = [UInt64](repeating: BytePairScratch.noPair, count: count)
        heap.removeAll()
        for index in 0..<count - 1 {
            pairs[index] = pair(merges, symbols[index], symbols[index + 1])
            if pairs[index] != BytePairScratch.noPair { heap.append(BytePairScratch.candidate(pairs[index], index)) }
        }
        heap.order()
        while let top = heap.removeMinimum() {
            let position = Int(truncatingIfNeeded: top & 0xffff_ffff)
            // A candidate is stale when the pair at its place has changed since.
            guard pairs[position] >> 32 == top >> 32, pairs[position] != BytePairScratch.noPair else { continue }
            symbols[position] = UInt32(truncatingIfNeeded: pairs[position])
            let absorbed = Int(next[position])
            pairs[absorbed] = BytePairScratch.noPair
            next[position] = next[absorbed]
            if next[absorbed] < count { previous[Int(next[absorbed])] = Int32(position) }
            refresh(position, merges)
            if previous[position] >= 0 { refresh(Int(previous[position]), merges) }
        }
        var kept = 0
        var position = 0
        while position < count {
            symbols[kept] = symbols[position]
            kept += 1
            position = Int(next[position])
        }
        symbols.removeSubrange(kept...)
    }

    private mutating func refresh(_ position: Int, _ merges: MergeTable) {
        let following = Int(next[position])
        pairs[position] = following < symbols.count ? pair(merges, symbols[position], symbols[following]) : BytePairScratch.noPair
        if pairs[position] != BytePairScratch.noPair { heap.insert(BytePairScratch.candidate(pairs[position], position)) }
    }
}
