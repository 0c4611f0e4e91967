/// The pairs of characters at which merges join tokens: the last of the left one and the first of the right one.
///
/// Between two other characters no merge reaches, so text can be encoded in parts. Pairs of ASCII are told apart; others share bits, which costs
/// a cut where it would have been possible and never makes a wrong one.
struct MergeJunctions: Sendable {
    private static let exactCount = 1 << 14
    private static let sharedCount = 1 << 18

    private var words = [UInt64](repeating: 0, count: (exactCount + sharedCount) / 64)

    init(_ vocabulary: Vocabulary, _ merges: [(left: UInt32, right: UInt32, merged: UInt32)]) {
        for merge in merges {
            let last = vocabulary.withText(of: Int(merge.left)) { text in
                guard text.count > 0 else { return UInt32(0) }
                var start = UTF8Text.start(before: text.count, in: text)
                return UTF8Text.scalar(in: text, at: &start)
            }
            let first = vocabulary.withText(of: Int(merge.right)) { text in
                var start = 0
                return text.count > 0 ? UTF8Text.scalar(in: text, at: &start) : 0
            }
            let bit = MergeJunctions.bit(last, first)
            words[bit >> 6] |= 1 << UInt64(bit & 63)
        }
    }

    /// Whether a merge may join a token that ends in one character with one that starts with the other.
    @inline(__always)
    func mayJoin(_ last: UInt32, _ first: UInt32) -> Bool {
        let bit = MergeJunctions.bit(last, first)
        return words[bit >> 6] >> UInt64(bit & 63) & 1 != 0
    }

    @inline(__always)
    private static func bit(_ last: UInt32, _ first: UInt32) -> Int {
        if last | first < 0x80 { return Int(last << 7 | first) }
        let mixed = (last &* 0x9e37_79b1 ^ first) &* 0x85eb_ca6b
        return exactCount + Int(mixed >> 14)
    }
}
