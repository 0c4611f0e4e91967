/// A binary heap of numbers, smallest first.
struct MinimumHeap: Sendable {
    private var values: [UInt64] = []

    mutating func removeAll() { values.removeAll(keepingCapacity: true) }

    /// Adds a value without regard to order; ``order()`` is due afterwards.
    mutating func append(_ value: UInt64) { values.append(value) }

    mutating func order() {
        for index in stride(from: values.count / 2 - 1, through: 0, by: -1) { sink(index) }
    }

    mutating func insert(_ value: UInt64) {
        values.append(value)
        var index = values.count - 1
        while index > 0 {
            let parent = (index - 1) / 2
            if values[parent] <= value { break }
            values[index] = values[parent]
            index = parent
        }
        values[index] = value
    }

    mutating func removeMinimum() -> UInt64? {
        guard let top = values.first, let last = values.popLast() else { return nil }
        if !values.isEmpty {
            values[0] = last
            sink(0)
        }
        return top
    }

    private mutating func sink(_ start: Int) {
        let value = values[start]
        var index = start
        while true {
            var child = 2 * index + 1
            if child >= values.count { break }
            if child + 1 < values.count && values[child + 1] < values[child] { child += 1 }
            if values[child] >= value { break }
            values[index] = values[child]
            index = child
        }
        values[index] = value
    }
}
