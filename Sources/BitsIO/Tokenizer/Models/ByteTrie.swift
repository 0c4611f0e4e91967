/// The tokens of a vocabulary by their bytes; one walk along a text finds all that begin it.
///
/// Where only one token goes on, its bytes are no nodes: they are compared with the vocabulary's.
struct ByteTrie: Sendable {
    private static let root: UInt32 = 0

    private let vocabulary: Vocabulary
    /// The bytes of each token that are left out.
    private let skipped: Int
    /// A child each: its parent in the upper 28 bits, then the byte, then its own number in the lower 28; 0 when free. A power of two.
    private var slots: [UInt64]
    /// The children of the root, which every walk asks for; 0 where there is none.
    private var first = [UInt32](repeating: 0, count: 256)
    /// For each node, the token that ends there, and the one that goes on alone; -1 for none.
    private var ends: [Int32] = [-1]
    private var tails: [Int32] = [-1]

    /// - Parameters:
    ///   - vocabulary: has less than 2^28 bytes.
    ///   - prefix: what is left out; tokens without it are not taken.
    init(_ vocabulary: Vocabulary, after prefix: [UInt8] = []) {
        self.vocabulary = vocabulary
        skipped = prefix.count
        var capacity = 64
        while capacity < 2 * vocabulary.count { capacity *= 2 }
        slots = [UInt64](repeating: 0, count: capacity)
        for id in 0..<vocabulary.upperBound where vocabulary.contains(id: id) {
            vocabulary.withText(of: id) { text in
                guard text.count > skipped, prefix.indices.allSatisfy({ text[$0] == prefix[$0] }) else { return }
                insert(Int32(id), text)
            }
        }
    }

    /// The bytes that a vocabulary must have less of.
    static let maximumByteCount = 1 << 28

    /// Gives `body` the tokens that begin at `start` in `text`, with their ends, the shortest first.
    @inline(__always)
    func forEachToken(in text: Span<UInt8>, from start: Int, _ body: (_ end: Int, _ id: Int32) -> Void) {
        var node = ByteTrie.root
        var index = start
        while index < text.count {
            node = child(of: node, text[index])
            if node == ByteTrie.root { return }
            index += 1
            if ends[Int(node)] >= 0 { body(index, ends[Int(node)]) }
            let tail = tails[Int(node)]
            if tail >= 0 {
                if let end = end(ofTail: tail, in: text, from: start, compared: index) { body(end, tail) }
                return
            }
        }
    }

    /// Where a token ends that begins at `start` and is known to agree up to `index`; nil when the rest does not.
    private func end(ofTail id: Int32, in text: Span<UInt8>, from start: Int, compared index: Int) -> Int? {
        vocabulary.withText(of: Int(id)) { token in
            let end = start + token.count - skipped
            guard end <= text.count else { return nil }
            for place in index..<end where text[place] != token[place - start + skipped] { return nil }
            return end
        }
    }

    /// The node after `node` under `byte`; the root where there is none.
    @inline(__always)
    private func child(of node: UInt32, _ byte: UInt8) -> UInt32 {
        if node == ByteTrie.root { return first[Int(byte)] }
        let key = UInt64(node) << 8 | UInt64(byte)
        var slot = place(of: key)
        while true {
            let entry = slots[slot]
            if entry >> 28 == key { return UInt32(truncatingIfNeeded: entry) & 0xfff_ffff }
            if entry == 0 { return ByteTrie.root }
            slot = (slot + 1) & (slots.count - 1)
        }
    }

    private mutating func insert(_ id: Int32, _ text: Span<UInt8>) {
        var node = ByteTrie.root
        for index in skipped..<text.count {
            // A tail that another token runs into moves on by a byte.
            let tail = tails[Int(node)]
            if tail >= 0 {
                tails[Int(node)] = -1
                let (byte, count) = vocabulary.withText(of: Int(tail)) { ($0[index], $0.count) }
                add(tail, to: node, byte, isEnd: index + 1 == count)
            }
            let child = child(of: node, text[index])
            if child == ByteTrie.root { return add(id, to: node, text[index], isEnd: index + 1 == text.count) }
            node = child
        }
        ends[Int(node)] = id
    }

    /// Adds a child in which a token ends, or goes on alone.
    private mutating func add(_ id: Int32, to node: UInt32, _ byte: UInt8, isEnd: Bool) {
        let child = UInt32(ends.count)
        ends.append(isEnd ? id : -1)
        tails.append(isEnd ? -1 : id)
        if node == ByteTrie.root {
            first[Int(byte)] = child
            return
        }
        if 2 * ends.count > slots.count {
            let entries = slots.filter { $0 != 0 }
            slots = [UInt64](repeating: 0, count: slots.count * 2)
            for entry in entries { settle(entry) }
        }
        settle(UInt64(node) << 36 | UInt64(byte) << 28 | UInt64(child))
    }

    @inline(__always)
    private func place(of key: UInt64) -> Int {
        Int(truncatingIfNeeded: (key &* 0x9e37_79b9_7f4a_7c15) >> 32) & (slots.count - 1)
    }

    private mutating func settle(_ entry: UInt64) {
        var slot = place(of: entry >> 28)
        while slots[slot] != 0 { slot = (slot + 1) & (slots.count - 1) }
        slots[slot] = entry
    }
}
