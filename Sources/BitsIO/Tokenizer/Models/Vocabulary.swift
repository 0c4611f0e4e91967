/// Tokens and their numbers, both ways.
///
/// A hash table over one pool of bytes: a vocabulary of 128,000 tokens is read in a few milliseconds.
struct Vocabulary: Sendable {
    /// One more than the largest id accepted.
    static let maximumID = 1 << 22

    private var pool: [UInt8] = []
    /// Where each id's text lies in the pool; `absent` where there is no such id. One load finds both ends: the table is larger than caches.
    private var places: [Range<UInt32>] = []
    /// Id + 1 in the lower 23 bits, those of the hash above them; 0 when free. A power of two. Entries are small so that few pages hold them: with
    /// 256,000 tokens most of a lookup's time is the wait for the first.
    private var slots: [UInt32]
    private(set) var count = 0

    private static let absent = UInt32.max..<UInt32.max

    init(expectedCount: Int = 64) {
        var capacity = 64
        while capacity < expectedCount * 2 { capacity *= 2 }
        slots = [UInt32](repeating: 0, count: capacity)
        pool.reserveCapacity(expectedCount * 8)
    }

    /// One more than the largest id.
    var upperBound: Int { places.count }

    /// The bytes of all tokens.
    var byteCount: Int { pool.count }

    /// Whether there is a token of this id.
    func contains(id: Int) -> Bool { id >= 0 && id < places.count && places[id] != Vocabulary.absent }

    /// Gives `body` the text of `id`, which must be there.
    func withText<R>(of id: Int, _ body: (Span<UInt8>) -> R) -> R { body(pool.span.extracting(range(of: id))) }

    /// The id of a text; nil where there is none.
    func id(of text: Span<UInt8>) -> Int? { find(text, hash: Vocabulary.folded(Vocabulary.hash(text))) }

    func id(of text: [UInt8]) -> Int? { id(of: text.span) }

    /// Gives `body` the beginnings of a text, shorter than it, that are tokens, the shortest first.
    func forEachBeginning(of text: Span<UInt8>, _ body: (_ end: Int, _ id: Int) -> Void) {
        var hash = Vocabulary.hash(text.extracting(0..<0))
        for end in text.indices.dropFirst() {
            hash = Vocabulary.hash(text.extracting(end - 1..<end), continuing: hash)
            // No token ends inside a character.
            guard text[end] & 0xc0 != 0x80 else { continue }
            if let id = find(text.extracting(0..<end), hash: Vocabulary.folded(hash)) { body(end, id) }
        }
    }

    /// The ids of several texts, in their order.
    func ids(of texts: [Range<Int>], in text: Span<UInt8>) -> [Int?] {
        // What all lookups read first is read before any reads what comes after it, so that no wait for memory holds up the next.
        let hashes = texts.map { Vocabulary.folded(Vocabulary.hash(text.extracting($0))) }
        let entries = hashes.map { slots[Int($0) & (slots.count - 1)] }
        let starts = entries.map { $0 == 0 ? 0 : Int(places[Vocabulary.id(in: $0)].lowerBound) }
        let firstBytes = starts.map { $0 < pool.count ? pool[$0] : 0 }
        return firstBytes.indices.map { find(text.extracting(texts[$0]), hash: hashes[$0]) }
    }

    private func range(of id: Int) -> Range<Int> { Int(places[id].lowerBound)..<Int(places[id].upperBound) }

    /// The id of the text of `left` followed by that of `right` without its first bytes.
    ///
    /// - Parameter near: an id that it may be, or may follow: trainers number tokens as they make them.
    func id(joining left: Int, _ right: Int, without dropped: Int, near: Int) -> Int? {
        let (head, whole) = (range(of: left), range(of: right))
        guard dropped <= whole.count else { return nil }
        let tail = whole.dropFirst(dropped)
        for guess in near...near + 1 where contains(id: guess) && isJoined(guess, head, tail) { return guess }
        let hash = Vocabulary.hash(pool.span.extracting(tail), continuing: Vocabulary.hash(pool.span.extracting(head)))
        let folded = Vocabulary.folded(hash)
        var slot = Int(folded) & (slots.count - 1)
        while slots[slot] != 0 {
            if Vocabulary.mayHold(slots[slot], folded), case let id = Vocabulary.id(in: slots[slot]), isJoined(id, head, tail) { return id }
            slot = (slot + 1) & (slots.count - 1)
        }
        return nil
    }

    /// Whether the text of `id` is those at two places of the pool.
    private func isJoined(_ id: Int, _ head: Range<Int>, _ tail: Range<Int>) -> Bool {
        let text = range(of: id)
        return text.count == head.count + tail.count && isEqual(head, at: text.lowerBound) && isEqual(tail, at: text.lowerBound + head.count)
    }

    private func isEqual(_ range: Range<Int>, at start: Int) -> Bool {
        for index in 0..<range.count where pool[range.lowerBound + index] != pool[start + index] { return false }
        return true
    }

    /// Adds a token. False when the text or the id is there already, or the id is out of bounds.
    mutating func insert(_ text: Span<UInt8>, id: Int) -> Bool {
        guard id >= 0, id < Vocabulary.maximumID, !contains(id: id) else { return false }
        if 2 * (count + 1) > slots.count { grow() }
        let folded = Vocabulary.folded(Vocabulary.hash(text))
        guard find(text, hash: folded) == nil else { return false }
        while places.count <= id { places.append(Vocabulary.absent) }
        places[id] = add(text)
        place(id, folded)
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
        places.append(add(text))
        if let earlier { slots[earlier] = Vocabulary.entry(id, folded) } else { place(id, folded) }
        count += 1
        return true
    }

    private func find(_ text: Span<UInt8>, hash: UInt32) -> Int? {
        slot(of: text, hash: hash).map { Vocabulary.id(in: slots[$0]) }
    }

    private func slot(of text: Span<UInt8>, hash: UInt32) -> Int? {
        var slot = Int(hash) & (slots.count - 1)
        while slots[slot] != 0 {
            if Vocabulary.mayHold(slots[slot], hash), case let place = range(of: Vocabulary.id(in: slots[slot])), place.count == text.count {
                var index = 0
                while index < text.count && pool[place.lowerBound + index] == text[index] { index += 1 }
                if index == text.count { return slot }
            }
            slot = (slot + 1) & (slots.count - 1)
        }
        return nil
    }

    /// Appends a text to the pool, and gives its place.
    private mutating func add(_ text: Span<UInt8>) -> Range<UInt32> {
        let start = UInt32(pool.count)
        for index in text.indices { pool.append(text[index]) }
        return start..<UInt32(pool.count)
    }

    private static let idBits: UInt32 = 23

    private static func entry(_ id: Int, _ hash: UInt32) -> UInt32 { (hash >> idBits) << idBits | UInt32(id + 1) }

    private static func id(in entry: UInt32) -> Int { Int(entry & (1 << idBits - 1)) - 1 }

    /// Whether the entry's token may be one of this hash.
    private static func mayHold(_ entry: UInt32, _ hash: UInt32) -> Bool { entry >> idBits == hash >> idBits }

    private mutating func place(_ id: Int, _ hash: UInt32) {
        var slot = Int(hash) & (slots.count - 1)
        while slots[slot] != 0 { slot = (slot + 1) & (slots.count - 1) }
        slots[slot] = Vocabulary.entry(id, hash)
    }

    private mutating func grow() {
        let ids = slots.filter { $0 != 0 }.map { Vocabulary.id(in: $0) }
        slots = [UInt32](repeating: 0, count: slots.count * 2)
        for id in ids { place(id, Vocabulary.folded(Vocabulary.hash(pool.span.extracting(range(of: id))))) }
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
