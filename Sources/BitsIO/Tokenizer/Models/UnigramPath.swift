/// The best ways to cut the beginnings of a text, and the memory for them.
struct UnigramPath: Sendable {
    /// A token, or neighbouring unknown characters.
    struct Step: Sendable {
        var id: Int32
        var range: Range<Int>
    }

    /// Stands for unknown characters where there is no token for them.
    static let noToken: Int32 = -1

    // For each place in the text: the best score of what lies before it, and the token that ends there, from where. Starts are -1 where none ends.
    private var scores: [Double] = []
    private var starts: [Int32] = []
    private var ids: [Int32] = []
    private var count = 0
    /// The best path, once collected.
    private(set) var steps: [Step] = []

    /// Forgets what was, for a text of `count` bytes.
    mutating func begin(count: Int) {
        self.count = count
        if starts.count <= count {
            scores = [Double](repeating: 0, count: count + 1)
            starts = [Int32](repeating: -1, count: count + 1)
            ids = [Int32](repeating: 0, count: count + 1)
        } else {
            for index in 0...count { starts[index] = -1 }
        }
        scores[0] = 0
    }

    func score(at index: Int) -> Double { scores[index] }

    /// Takes a token's step if it is better than what led to `end` before.
    @inline(__always)
    mutating func offer(_ id: Int32, from start: Int, to end: Int, score: Double) {
        guard starts[end] < 0 || score > scores[end] else { return }
        scores[end] = score
        starts[end] = Int32(start)
        ids[end] = id
    }

    /// Follows the best path back from the end; neighbouring steps of `unknown` become one.
    mutating func collect(joining unknown: Int32?) {
        steps.removeAll(keepingCapacity: true)
        var end = count
        while end > 0 {
            let start = Int(starts[end])
            if ids[end] == unknown, let last = steps.last, last.id == unknown {
                steps[steps.count - 1].range = start..<last.range.upperBound
            } else {
                steps.append(Step(id: ids[end], range: start..<end))
            }
            end = start
        }
        steps.reverse()
    }
}
