/// An expression as steps that lead from one to the next, where a text may take several ways.
///
/// Thompson 1968, "Regular Expression Search Algorithm", doi:10.1145/363347.363387; the ways in order of preference, as in Pike's sam.
struct ExpressionProgram {
    enum Step {
        /// A character of the set, then on.
        case set(Int, then: Int)
        /// Both ways, the first preferred.
        case fork(Int, Int)
        /// Into a repeat once more, or on; in this order unless it is lazy. Who comes back without having taken a character goes on.
        case loop(Int, then: Int, isLazy: Bool)
        /// On, if the next character is in the set, or there is none.
        case next(Int, orEnd: Bool, then: Int)
        /// On, if the character before is in the set, or there is none.
        case previous(Int, orStart: Bool, then: Int)
        /// On, if the text goes on with a match of another program, or with none.
        case ahead(Int, isNegative: Bool, then: Int)
        case match
    }

    /// Most steps accepted, and most places visited to make them: repeats of repeats multiply.
    private static let maximumCount = 20_000
    private static let maximumWork = 200_000

    private(set) var steps: [Step] = [.match]
    private(set) var start = 0
    /// The programs of what is looked ahead for.
    private(set) var inner: [ExpressionProgram] = []
    private(set) var looksBack = false
    private var work = 0

    /// - Parameter sets: the sets of all programs of one expression; those of this one are added.
    init(_ tree: ExpressionTree, _ sets: inout SetList) throws(ExpressionError) { start = try add(tree, then: 0, &sets) }

    /// Sets that are numbered as they come, equal ones once.
    struct SetList {
        private(set) var sets: [ScalarSet] = []
        private var numbers: [ScalarSet: Int] = [:]

        mutating func number(of set: ScalarSet) -> Int {
            if let number = numbers[set] { return number }
            numbers[set] = sets.count
            sets.append(set)
            return sets.count - 1
        }
    }

    private mutating func append(_ step: Step) throws(ExpressionError) -> Int {
        guard steps.count < ExpressionProgram.maximumCount else {
            throw ExpressionError(0, "more than \(ExpressionProgram.maximumCount) characters with all repeats written out")
        }
        steps.append(step)
        return steps.count - 1
    }

    /// Adds the steps of `tree` that lead to the step `then`, and gives the first.
    private mutating func add(_ tree: ExpressionTree, then: Int, _ sets: inout SetList) throws(ExpressionError) -> Int {
        work += 1
        guard work <= ExpressionProgram.maximumWork else { throw ExpressionError(0, "too many repeats of repeats") }
        switch tree {
        case .set(let set): return try append(.set(sets.number(of: set), then: then))
        case .next(let set, let orEnd): return try append(.next(sets.number(of: set), orEnd: orEnd, then: then))
        case .previous(let set, let orStart):
            looksBack = true
            return try append(.previous(sets.number(of: set), orStart: orStart, then: then))
        case .ahead(let part, let isNegative):
            inner.append(try ExpressionProgram(part, &sets))
            return try append(.ahead(inner.count - 1, isNegative: isNegative, then: then))
        case .sequence(let parts):
            var then = then
            for part in parts.reversed() { then = try add(part, then: then, &sets) }
            return then
        case .choice(let parts):
            var entry: Int?
            for part in parts.reversed() {
                let way = try add(part, then: then, &sets)
                entry = try entry.map { (other) throws(ExpressionError) in try append(.fork(way, other)) } ?? way
            }
            return entry ?? then
        case .atomic(let part, _): return try add(part, then: then, &sets)
        case .repeated(let part, let minimum, let maximum, let isLazy):
            var then = then
            if let maximum {
                let end = then
                for _ in minimum..<maximum {
                    let way = try add(part, then: then, &sets)
                    then = try append(isLazy ? .fork(end, way) : .fork(way, end))
                }
            } else {
                let loop = try append(.match)
                let way = try add(part, then: loop, &sets)
                steps[loop] = .loop(way, then: then, isLazy: isLazy)
                then = loop
            }
            for _ in 0..<minimum { then = try add(part, then: then, &sets) }
            return then
        }
    }
}
