/// The kinds of characters that an expression tells apart: those that belong to the same of its sets are one symbol.
struct SymbolTable: Sendable {
    /// How many kinds there are. The end of the text and its start are a symbol of their own, this number.
    let count: Int
    /// The symbols of the first 65,536 characters.
    let basicPlane: [UInt8]
    /// Beyond them, where each run of one symbol starts, and its symbol.
    private var starts: [UInt32] = []
    private var symbols: [UInt8] = []
    /// For each set, whether it holds each symbol.
    let members: [[Bool]]

    private static let maximumCount = 250

    init(_ sets: [ScalarSet]) throws(ExpressionError) {
        // Each set begins and ends to hold at its ranges' bounds; between two bounds of any, all characters are of one kind.
        var events = sets.enumerated().flatMap { index, set in set.ranges.flatMap { [($0.lowerBound, index), ($0.upperBound, index)] } }
        events.sort { $0.0 < $1.0 }
        var current = [Bool](repeating: false, count: sets.count)
        var numbers: [[Bool]: UInt8] = [:]
        var kinds = [[Bool]]()
        var basicPlane = [UInt8](repeating: 0, count: 0x10000)
        var start: UInt32 = 0
        var index = 0
        while start < 0x110000 {
            while index < events.count, events[index].0 == start {
                current[events[index].1].toggle()
                index += 1
            }
            let end = index < events.count ? events[index].0 : 0x110000
            let symbol: UInt8
            if let number = numbers[current] {
                symbol = number
            } else {
                guard kinds.count < SymbolTable.maximumCount else {
                    throw ExpressionError(0, "more than \(SymbolTable.maximumCount) kinds of characters to tell apart")
                }
                symbol = UInt8(kinds.count)
                numbers[current] = symbol
                kinds.append(current)
            }
            if start < 0x10000 { for scalar in start..<min(end, 0x10000) { basicPlane[Int(scalar)] = symbol } }
            if end > 0x10000 {
                starts.append(max(start, 0x10000))
                symbols.append(symbol)
            }
            start = end
        }
        count = kinds.count
        self.basicPlane = basicPlane
        members = sets.indices.map { set in kinds.map { $0[set] } }
    }

    /// The symbol of the character at `index`, which moves past it.
    @inline(__always)
    func next(in text: Span<UInt8>, at index: inout Int) -> Int {
        let byte = text[index]
        if byte < 0x80 {
            index += 1
            return Int(basicPlane[Int(byte)])
        }
        let scalar = UTF8Text.scalar(in: text, at: &index)
        return Int(scalar < 0x10000 ? basicPlane[Int(scalar)] : beyond(scalar))
    }

    private func beyond(_ scalar: UInt32) -> UInt8 {
        var (low, high) = (0, starts.count)
        while high - low > 1 {
            let middle = (low + high) / 2
            if starts[middle] <= scalar { low = middle } else { high = middle }
        }
        return symbols[low]
    }
}
