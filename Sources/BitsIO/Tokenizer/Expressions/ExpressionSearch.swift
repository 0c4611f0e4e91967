/// What a search in one text remembers of where looking farther was in vain.
///
/// A match may need characters far behind its end to be settled, and the next match the same ones again. So on long ways past a match some
/// places' rows are kept with what came of them, and whoever gets there in the same row stops. All searches in a text together then take time linear
/// in it. Reps 1998, "'Maximal-Munch' Tokenization in Linear Time", doi:10.1145/276393.276394.
struct SearchMemory {
    /// By place and row: whether a match ends behind.
    var answers: [UInt64: Bool] = [:]
    /// Places on the way whose answer is not known yet.
    var trail: [UInt64] = []
    /// The same for what is looked ahead for.
    var inner: [Int: SearchMemory] = [:]

    /// How far a way goes before places are kept, in bytes, and how far these lie apart.
    static let freeLength = 64
    static let spacing = 32
}

extension RegularExpression {
    /// The leftmost match that starts at `start` or behind; nil where there is none.
    @inline(__always)
    func match(in text: Span<UInt8>, from start: Int, _ memory: inout SearchMemory) -> Range<Int>? {
        var start = start
        while true {
            var next = start
            let symbol = start < text.count ? symbols.next(in: text, at: &next) : symbols.count
            if automaton.canStart[symbol] {
                let end = end(automaton, text, start, &memory, isQuestion: false)
                if end >= 0 { return start..<end }
            }
            guard start < text.count else { return nil }
            start = next
        }
    }

    /// The end of the match that starts at `start`; -1 where there is none.
    ///
    /// - Parameter isQuestion: whether any end will do.
    @inline(__always)
    private func end(_ automaton: ExpressionAutomaton, _ text: Span<UInt8>, _ start: Int, _ memory: inout SearchMemory, isQuestion: Bool) -> Int {
        let entries = automaton.entries.span
        var entry = automaton.starts[automaton.looksBack ? symbol(before: start, in: text) : 0]
        var index = start
        var end = -1
        var keptFrom = start + SearchMemory.freeLength
        while true {
            var row = Int(entry >> 2)
            if entry & ExpressionAutomaton.looksAhead != 0 { row += answers(automaton, row, text, index, &memory) }
            let place = index
            let symbol = index < text.count ? symbols.next(in: text, at: &index) : symbols.count
            entry = entries[row + symbol]
            if entry & ExpressionAutomaton.accepts != 0 {
                end = place
                if isQuestion { break }
                keptFrom = place + SearchMemory.freeLength
                if !memory.trail.isEmpty { memory.trail.removeAll(keepingCapacity: true) }
            }
            if entry >> 2 == 0 { break }
            if index >= keptFrom {
                keptFrom = (index / SearchMemory.spacing + 1) * SearchMemory.spacing
                let key = UInt64(index) << 32 | UInt64(entry)
                if let answer = memory.answers[key] {
                    if answer && isQuestion { end = index }
                    break
                }
                memory.trail.append(key)
            }
        }
        if !memory.trail.isEmpty {
            for key in memory.trail { memory.answers[key] = isQuestion && end >= 0 }
            memory.trail.removeAll(keepingCapacity: true)
        }
        return end
    }

    /// How far behind a row the one lies that goes with what is there of what is looked ahead for.
    private func answers(_ automaton: ExpressionAutomaton, _ row: Int, _ text: Span<UInt8>, _ index: Int, _ memory: inout SearchMemory) -> Int {
        var offset = 0
        for (bit, look) in (automaton.looks[row] ?? []).enumerated()
        where isAhead(automaton.inner[look], text, index, &memory.inner[look, default: SearchMemory()]) {
            offset += automaton.stride << bit
        }
        return offset
    }

    @inline(never)
    private func isAhead(_ automaton: ExpressionAutomaton, _ text: Span<UInt8>, _ index: Int, _ memory: inout SearchMemory) -> Bool {
        end(automaton, text, index, &memory, isQuestion: true) >= 0
    }

    private func symbol(before index: Int, in text: Span<UInt8>) -> Int {
        guard index > 0 else { return symbols.count }
        var start = UTF8Text.start(before: index, in: text)
        return symbols.next(in: text, at: &start)
    }
}
