/// Tokens and their numbers, both ways.
///
/// A hash table over one pool of bytes: a vocabulary of 128,000 tokens is read in a few milliseconds.
struct Vocabulary: Sendable {
    /// One more than the largest id accepted.
    static let maximumID = 1 << 22

    private var pool: [UInt8] = []
    /// Where each id's text lies in the pool; `absent` where there is no such id.
    private var starts: [UInt32] = []
    private var ends: [UInt32] = []
    /// The hash in the upper half, id + 1 in the lower; 0 when free. A power of two.
    private var slots: [UInt64]
    private(set) var count = 0

    private static let absent = UInt32.max

    init(expectedCount: Int = 64) {
        var capacity = 64
        while capacity < expectedCount * 2 { capacity *= 2 }
        slots = [UInt64](repeating: 0, count: capacity)
        pool.reserveCapacity(expectedCount * 8)
    }

    /// One more than the largest id.
    var upperBound: Int { starts.count }

    /// The bytes of all tokens.
    var byteCount: Int { pool.count }

    /// Whether there is a token of this id.
    func contains(id: Int) -> Bool { id >= 0 && id < starts.count && starts[id] != Vocabulary.absent }

    /// Gives `body` the text of `id`, which must be there.
    func withText<R>(of id: Int, _ body: (Span<UInt8>) -> R) -> R { body(pool.span.extracting(Int(starts[id])..<Int(ends[id]))) }

    /// The id of a text; nil where there is none.
    func id(of text: Span<UInt8>) -> Int? { find(text, hash: Vocabulary.folded(Vocabulary.hash(text))) }

    func id(of text: [UInt8]) -> Int? { id(of: text.span) }

    /// The id of the text of `left` followed by that of `right`.
    func id(joining left: Int, _ right: Int) -> Int? {
        let (leftStart, leftEnd) = (Int(starts[left]), Int(ends[left]))
        let (rightStart, rightEnd) = (Int(starts[right]), Int(ends[right]))
        let text = pool.span
        let hash = Vocabulary.hash(
            text.extracting(rightStart..<rightEnd), continuing: Vocabulary.hash(text.extracting(leftStart..<leftEnd)))
        let length = leftEnd - leftStart + rightEnd - rightStart
        let folded = Vocabulary.folded(hash)
        var slot = Int(folded) & (slots.count - 1)
        while slots[slot] != 0 {
            if UInt32(truncatingIfNeeded: slots[slot] >> 32) == folded {
                let id = Int(truncatingIfNeeded: slots[slot] & 0xffff_ffff) - 1
                let start = Int(starts[id])
                if Int(ends[id]) - start == length, Vocabulary.equal(text, start, leftStart, leftEnd - leftStart),
                    Vocabulary.equal(text, start + leftEnd - leftStart, rightStart, rightEnd - rightStart)
                {
                    return id
                }
            }
            slot = (slot + 1) & (slots.count - 1)
        }
        return nil
    }

    /// Adds a token. False when the text or the id is there already, or the id is out of bounds.
    mutating func insert(_ text: Span<UInt8>, id: Int) -> Bool {
        guard id >= 0, id < Vocabulary.maximumID, !contains(id: id) else { return false }
        if 2 * (count + 1) > slots.count { grow() }
        let folded = Vocabulary.folded(Vocabulary.hash(text))
        guard find(text, hash: folded) == nil else { return false }
        while starts.count <= id {
            starts.append(Vocabulary.absent)
            ends.append(0)
        }
        starts[id] = UInt32(pool.count)
        for index in text.indices { pool.append(text[index]) }
        ends[id] = UInt32(pool.count)
        place(UInt64(folded) << 32 | UInt64(id + 1))
        count += 1
        return true
    }

    /// Adds a token with the next id. A text may come again: the id of the last counts. False when there is no further id.
    mutating func append(_ text: Span<UInt8>) -> Bool {
        let id = upperBound
        guard id < Vocabulary.maximumID else { return false }
        if 2 * (count + 1) > slots.count { grow() }
        let folded = Vocabulary.folded(Vocabulary.hash(text))
        let earlier = slot(of: text, hash: folded)
        starts.append(UInt32(pool.count))
        for index in text.indices { pool.append(text[index]) }
        ends.append(UInt32(pool.count))
        let entry = UInt64(folded) << 32 | UInt64(id + 1)
        if let earlier { slots[earlier] = entry } else { place(entry) }
        count += 1
        return true
    }

    private func find(_ text: Span<UInt8>, hash: UInt32) -> Int? {
        slot(of: text, hash: hash).map { Int(truncatingIfNeeded: slots[$0] & 0xffff_ffff) - 1 }
    }

    private func slot(of text: Span<UInt8>, hash: UInt32) -> Int? {
        var slot = Int(hash) & (slots.count - 1)
        while slots[slot] != 0 {
            if UInt32(truncatingIfNeeded: slots[slot] >> 32) == hash {
                let id = Int(truncatingIfNeeded: slots[slot] & 0xffff_ffff) - 1
                let start = Int(starts[id])
                if Int(ends[id]) - start == text.count {
                    var index = 0
                    while index < text.count && pool[start + index] == text[index] { index += 1 }
                    if index == text.count { return slot }
                }
            }
            slot = (slot + 1) & (slots.count - 1)
        }
        return nil
    }

    private static func equal(_ text: Span<UInt8>, _ a: Int, _ b: Int, _ count: Int) -> Bool {
        for index in 0..<count where text[a + index] != text[b + index] { return false }
        return true
    }

    private mutating func place(_ entry: UInt64) {
        var slot = Int(truncatingIfNeeded: entry >> 32) & (slots.count - 1)
        while slots[slot] != 0 { slot = (slot + 1) & (slots.count - 1) }
        slots[slot] = entry
    }

    private mutating func grow() {
        let entries = slots.filter { $0 != 0 }
        slots = [UInt64](repeating: 0, count: slots.count * 2)
        for entry in entries { place(entry) }
    }

    /// FNV-1a, which can be continued.
    private static func hash(_ text: Span<UInt8>, continuing hash: UInt64 = 0xcbf2_9ce4_8422_2325) -> UInt64 {
        var hash = hash
        for index in text.indices { hash = (hash ^ UInt64(text[index])) &* 0x100_0000_01b3 }
        return hash
    }

    private static func folded(_ hash: UInt64) -> UInt32 {
        let mixed = (hash ^ (hash >> 32)) &* 0x9e37_79b9_7f4a_7c15
        return UInt32(truncatingIfNeeded: mixed >> 32)
    }
}
