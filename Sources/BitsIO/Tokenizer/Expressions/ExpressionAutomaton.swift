/// A program as a table: from the ways that are open and the next symbol to the ways that are open behind it.
///
/// The ways are kept in order of preference and end where one has matched, so what is accepted last is the match that trying them one after the
/// other would find, and every character is looked at once. Whether a match ends at a place is known with the symbol behind it, which is how
/// looking one character ahead costs nothing; looking farther is an automaton of its own, asked where a way needs it.
struct ExpressionAutomaton: Sendable {
    /// By row and symbol: the next row times four; 1 more where a match ends before the symbol, 2 more where the next row looks farther ahead.
    private(set) var entries: [UInt32] = []
    /// Symbols and one for the end; rows are this long.
    let stride: Int
    /// The entry that leads to the first row, by the symbol before the text.
    private(set) var starts: [UInt32] = []
    /// Whether ``starts`` differ.
    let looksBack: Bool
    /// What is looked ahead for from a row; the row's answers, as bits, say which of the rows from there on counts.
    private(set) var looks: [Int: [Int]] = [:]
    let inner: [ExpressionAutomaton]
    /// Whether a match can start with a symbol, or with the end.
    private(set) var canStart: [Bool] = []

    static let accepts: UInt32 = 1
    static let looksAhead: UInt32 = 2

    /// Most entries accepted: a megabyte.
    private static let maximumCount = 1 << 18
    private static let maximumLooks = 4

    /// The ways open behind a symbol.
    private struct State: Hashable {
        var ways: [Int]
        var previous: Int
    }

    init(_ program: ExpressionProgram, _ symbols: SymbolTable) throws(ExpressionError) {
        var inner = [ExpressionAutomaton]()
        for program in program.inner { inner.append(try ExpressionAutomaton(program, symbols)) }
        self.inner = inner
        stride = symbols.count + 1
        looksBack = program.looksBack
        // Row 0: nothing is open.
        entries = [UInt32](repeating: 0, count: stride)
        var walk = ExpressionWalk(program, symbols)
        var rows: [State: UInt32] = [State(ways: [], previous: 0): 0]
        var waiting = [State]()
        func entry(_ ways: [Int], _ previous: Int) throws(ExpressionError) -> UInt32 {
            let state = State(ways: ways, previous: looksBack && !ways.isEmpty ? previous : 0)
            if let entry = rows[state] { return entry }
            let looks = walk.looks(from: ways)
            let count = stride << looks.count
            guard looks.count <= ExpressionAutomaton.maximumLooks, entries.count + count <= ExpressionAutomaton.maximumCount else {
                throw ExpressionError(0, "too many ways to match at once")
            }
            let row = entries.count
            if !looks.isEmpty { self.looks[row] = looks }
            entries += [UInt32](repeating: 0, count: count)
            let entry = UInt32(row) << 2 | (looks.isEmpty ? 0 : ExpressionAutomaton.looksAhead)
            rows[state] = entry
            waiting.append(state)
            return entry
        }
        for previous in 0..<stride { starts.append(try entry([program.start], previous)) }
        while let state = waiting.popLast() {
            guard let rowEntry = rows[state] else { continue }
            let row = Int(rowEntry >> 2)
            let looks = self.looks[row] ?? []
            for answers in 0..<1 << looks.count {
                for symbol in 0..<stride {
                    let step = try walk.step(
                        state.ways, symbol, previous: state.previous, holding: looks.indices.filter { answers >> $0 & 1 == 1 }.map { looks[$0] })
                    let target = symbol == symbols.count ? 0 : try entry(step.ways, symbol)
                    entries[row + answers * stride + symbol] = target | (step.accepts ? ExpressionAutomaton.accepts : 0)
                }
            }
        }
        canStart = (0..<stride).map { symbol in
            starts.contains { $0 & ExpressionAutomaton.looksAhead != 0 || entries[Int($0 >> 2) + symbol] != 0 }
        }
    }
}

/// Walks a program's steps that take no character.
private struct ExpressionWalk {
    private let program: ExpressionProgram
    private let symbols: SymbolTable
    private var work = 0
    /// When each step was visited last.
    private var visited: [Int]
    private var visit = 0

    private static let maximumWork = 20_000_000

    init(_ program: ExpressionProgram, _ symbols: SymbolTable) {
        self.program = program
        self.symbols = symbols
        visited = [Int](repeating: 0, count: program.steps.count)
    }

    /// What is looked ahead for on the ways, whatever comes next.
    mutating func looks(from ways: [Int]) -> [Int] {
        var looks = [Int]()
        visit += 1
        var open = Array(ways.reversed())
        while let way = open.popLast() {
            guard visited[way] != visit else { continue }
            visited[way] = visit
            switch program.steps[way] {
            case .set, .match: break
            case .fork(let first, let second), .loop(let first, let second, _): open += [second, first]
            case .next(_, _, let then), .previous(_, _, let then): open.append(then)
            case .ahead(let look, _, let then):
                if !looks.contains(look) { looks.append(look) }
                open.append(then)
            }
        }
        return looks
    }

    /// The ways behind `symbol`, and whether one has matched before it.
    mutating func step(_ ways: [Int], _ symbol: Int, previous: Int, holding: [Int]) throws(ExpressionError) -> (ways: [Int], accepts: Bool) {
        var result = [Int]()
        visit += 1
        let isEnd = symbol == symbols.count
        var open = Array(ways.reversed())
        while let way = open.popLast() {
            guard visited[way] != visit else {
                if case .loop(_, let then, _) = program.steps[way] { open.append(then) }
                continue
            }
            visited[way] = visit
            work += 1
            guard work <= ExpressionWalk.maximumWork else { throw ExpressionError(0, "too many ways to match at once") }
            switch program.steps[way] {
            case .match: return (result, true)
            case .set(let set, let then):
                if !isEnd, symbols.members[set][symbol], !result.contains(then) { result.append(then) }
            case .fork(let first, let second): open += [second, first]
            case .loop(let body, let then, let isLazy): open += isLazy ? [body, then] : [then, body]
            case .next(let set, let orEnd, let then):
                if isEnd ? orEnd : symbols.members[set][symbol] { open.append(then) }
            case .previous(let set, let orStart, let then):
                if previous == symbols.count ? orStart : symbols.members[set][previous] { open.append(then) }
            case .ahead(let look, let isNegative, let then):
                if holding.contains(look) != isNegative { open.append(then) }
            }
        }
        return (result, false)
    }
}
