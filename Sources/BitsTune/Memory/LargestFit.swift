/// The largest size of some work that memory has room for, found in few trials: memory grows with the size, about in proportion.
public struct LargestFit {
    private let memory: (Int) throws -> Int
    /// What is known, by size.
    private var known: [Int: Int] = [:]

    /// - Parameter memory: the bytes that work of a size from 1 on takes; it never falls as the size grows.
    public init(_ memory: @escaping (Int) throws -> Int) { self.memory = memory }

    /// The largest size up to `limit` that takes no more than `byteCount`; nil where not even 1 does.
    ///
    /// What was found out stays known: asking for other memories as well costs little more.
    public mutating func callAsFunction(within byteCount: Int, upTo limit: Int) throws -> Int? {
        precondition(limit > 0, "sizes up to \(limit)")
        guard try need(1) <= byteCount else { return nil }
        // What fits, and what does not or is not asked for.
        var (low, high) = (1, limit + 1)
        for (size, need) in known where size <= limit {
            if need <= byteCount { low = max(low, size) } else { high = min(high, size) }
        }
        var isGuess = true
        while high - low > 1 {
            let between = isGuess ? try guess(low, high, byteCount) : low + (high - low) / 2
            // A guess that is close leaves a side that is long; half of it is cut off then.
            isGuess.toggle()
            if try need(between) <= byteCount { low = between } else { high = between }
        }
        return low
    }

    /// Where a straight line through what is known reaches `byteCount`, between `low` and `high`.
    private mutating func guess(_ low: Int, _ high: Int, _ byteCount: Int) throws -> Int {
        let other = known[high] == nil ? low == 1 ? 2 : 1 : high
        let (a, b) = (try need(low), try need(other))
        guard a != b else { return low + (high - low) / 2 }
        let place = Double(low) + Double(byteCount - a) * Double(other - low) / Double(b - a)
        return min(max(Int(min(max(place, 0), Double(high))), low + 1), high - 1)
    }

    private mutating func need(_ size: Int) throws -> Int {
        if let need = known[size] { return need }
        let need = try memory(size)
        known[size] = need
        return need
    }
}
