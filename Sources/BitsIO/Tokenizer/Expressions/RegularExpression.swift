/// A regular expression that finds its matches in time linear in the text, whatever the text.
///
/// What tokenizer files hold, with Oniguruma's meaning: of the matches at the leftmost place the one that trying alternatives in order and repeats
/// greedily (or lazily) finds first. Classes and properties, bounded and possessive repeats, looking ahead, groups without regard to case and
/// anchors are understood; what needs memory of the text, such as references to groups, is refused. Groups capture nothing.
struct RegularExpression: Sendable {
    let symbols: SymbolTable
    let automaton: ExpressionAutomaton

    init(_ expression: String) throws(ExpressionError) { try self.init(try ExpressionParser.tree(expression)) }

    /// Matches `text` as it stands.
    init(literal text: String) throws(ExpressionError) {
        try self.init(.sequence(text.unicodeScalars.map { .set(ScalarSet($0.value)) }))
    }

    /// Matches one character of the set.
    init(anyOf set: ScalarSet) throws(ExpressionError) { try self.init(.set(set)) }

    /// Matches runs of characters of one of the sets.
    init(runsOf sets: [ScalarSet]) throws(ExpressionError) {
        try self.init(.choice(sets.map { .repeated(.set($0), minimum: 1, maximum: nil, isLazy: false) }))
    }

    private init(_ tree: ExpressionTree) throws(ExpressionError) {
        var sets = ExpressionProgram.SetList()
        let program = try ExpressionProgram(tree, &sets)
        symbols = try SymbolTable(sets.sets)
        automaton = try ExpressionAutomaton(program, symbols)
    }

    /// Gives `body` the matches in `text` from left to right. An empty match is left out where the match before it ends.
    @inline(__always)
    func forEachMatch(in text: Span<UInt8>, _ body: (Range<Int>) -> Void) {
        var memory = SearchMemory()
        var index = 0
        var lastEnd = -1
        while let match = match(in: text, from: index, &memory) {
            if match.isEmpty && match.lowerBound == lastEnd {
                guard match.lowerBound < text.count else { return }
                index = match.lowerBound + UTF8Text.length(startingWith: text[match.lowerBound])
            } else {
                body(match)
                index = match.upperBound
                lastEnd = index
            }
        }
    }

    /// `text` with every match replaced.
    func replacing(with content: [UInt8], in text: Span<UInt8>) -> [UInt8] {
        var result = [UInt8]()
        result.reserveCapacity(text.count)
        var done = 0
        forEachMatch(in: text) { match in
            for index in done..<match.lowerBound { result.append(text[index]) }
            result += content
            done = match.upperBound
        }
        for index in done..<text.count { result.append(text[index]) }
        return result
    }
}
