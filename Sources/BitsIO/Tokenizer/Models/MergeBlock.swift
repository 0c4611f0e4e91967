/// Some merges of a file, whose tokens are looked up together, more than twice as fast as one by one: the waits for memory overlap.
struct MergeBlock {
    /// The tokens' texts, and where each lies: left and right in turn.
    var text: [UInt8] = []
    var tokens: [Range<Int>] = []
    /// Where each merge stands in the file.
    var places: [Range<Int>] = []
    /// How many of a right token's first bytes are not repeated in what it merges to.
    private let dropped: Int
    private var lastMerged = 0

    init(dropped: Int) { self.dropped = dropped }

    var isFull: Bool { places.count == 64 }

    /// Appends the merges and empties the block; gives the place of the first whose tokens, or what they merge to, are not in the vocabulary.
    mutating func resolve(_ vocabulary: Vocabulary, into merges: inout [(left: UInt32, right: UInt32, merged: UInt32)]) -> Range<Int>? {
        let ids = vocabulary.ids(of: tokens, in: text.span)
        for (index, place) in places.enumerated() {
            guard let left = ids[2 * index], let right = ids[2 * index + 1],
                let merged = vocabulary.id(joining: left, right, without: dropped, near: lastMerged)
            else { return place }
            merges.append((UInt32(left), UInt32(right), UInt32(merged)))
            lastMerged = merged
        }
        text.removeAll(keepingCapacity: true)
        tokens.removeAll(keepingCapacity: true)
        places.removeAll(keepingCapacity: true)
        return nil
    }
}
