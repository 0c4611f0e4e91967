/// Byte strings with a number each; one walk along a text finds all that begin it.
struct ByteTrie: Sendable {
    /// The node where a walk begins.
    static let root: UInt32 = 0
    /// The most nodes that there can be.
    static let maximumCount = 1 << 28

    /// A child each: its parent in the upper 28 bits, then the byte, then its own number in the lower 28; 0 when free. A power of two.
    private var slots: [UInt64]
    /// The children of the root, which every walk asks for; 0 where there is none.
    private var first = [UInt32](repeating: 0, count: 256)
    /// The number of the string that ends at each node; -1 for none.
    private var values: [Int32] = [-1]

    init(expectedCount: Int = 64) {
        var capacity = 64
        while capacity < expectedCount { capacity *= 2 }
        slots = [UInt64](repeating: 0, count: capacity)
    }

    /// The node after `node` under `byte`; the root where there is none.
    @inline(__always)
    func child(of node: UInt32, _ byte: UInt8) -> UInt32 {
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

    /// The number of the string that ends at `node`; -1 for none.
    @inline(__always)
    func value(at node: UInt32) -> Int32 { values[Int(node)] }

    /// The node that `text` leads to; nil when no string begins so.
    func node(of text: [UInt8]) -> UInt32? {
        var node = ByteTrie.root
        for byte in text {
            node = child(of: node, byte)
            if node == ByteTrie.root { return nil }
        }
        return node
    }

    /// Adds `text`, or gives it another number. There must be room: ``maximumCount`` nodes, at most one a byte.
    mutating func insert(_ text: Span<UInt8>, _ value: Int32) {
        var node = ByteTrie.root
        for index in text.indices {
            let byte = text[index]
            var child = child(of: node, byte)
            if child == ByteTrie.root {
                child = UInt32(values.count)
                values.append(-1)
                if node == ByteTrie.root { first[Int(byte)] = child } else { add(UInt64(node) << 36 | UInt64(byte) << 28 | UInt64(child)) }
            }
            node = child
        }
        values[Int(node)] = value
    }

    @inline(__always)
    private func place(of key: UInt64) -> Int {
        Int(truncatingIfNeeded: (key &* 0x9e37_79b9_7f4a_7c15) >> 32) & (slots.count - 1)
    }

    private mutating func add(_ entry: UInt64) {
        if 2 * values.count > slots.count {
            let entries = slots.filter { $0 != 0 }
            slots = [UInt64](repeating: 0, count: slots.count * 2)
            for entry in entries { settle(entry) }
        }
        settle(entry)
    }

    private mutating func settle(_ entry: UInt64) {
        var slot = place(of: entry >> 28)
        while slots[slot] != 0 { slot = (slot + 1) & (slots.count - 1) }
        slots[slot] = entry
    }
}

extension ByteTrie {
    /// The tokens of a vocabulary, with their ids.
    init(_ vocabulary: Vocabulary) {
        self.init(expectedCount: vocabulary.byteCount / 2)
        for id in 0..<vocabulary.upperBound where vocabulary.contains(id: id) { vocabulary.withText(of: id) { insert($0, Int32(id)) } }
    }
}
