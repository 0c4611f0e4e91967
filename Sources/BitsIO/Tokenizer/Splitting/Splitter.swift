/// Cuts text at the matches of an expression.
struct Splitter: Sendable {
    /// What becomes of the matches.
    enum Behavior: String {
        /// They are dropped.
        case removed = "Removed"
        /// Each is a piece, and so is what lies between them.
        case isolated = "Isolated"
        /// Each joins what is before it, behind it.
        case mergedWithPrevious = "MergedWithPrevious"
        case mergedWithNext = "MergedWithNext"
        /// Those side by side are one piece.
        case contiguous = "Contiguous"
    }

    private let expression: RegularExpression
    private let behavior: Behavior
    /// Whether what lies between matches counts as matched, and they as what lies between.
    private let isInverted: Bool

    init(_ expression: RegularExpression, _ behavior: Behavior, isInverted: Bool = false) {
        self.expression = expression
        self.behavior = behavior
        self.isInverted = isInverted
    }

    /// Gives `body` the pieces of `text` in order; none is empty.
    func split(_ text: Span<UInt8>, _ body: (Range<Int>) -> Void) {
        if behavior == .removed && isInverted {
            return expression.forEachMatch(in: text) { match in if !match.isEmpty { body(match) } }
        }
        if behavior == .removed || behavior == .isolated {
            var done = 0
            expression.forEachMatch(in: text) { match in
                if done < match.lowerBound { body(done..<match.lowerBound) }
                if behavior == .isolated && !match.isEmpty { body(match) }
                done = match.upperBound
            }
            if done < text.count { body(done..<text.count) }
            return
        }
        for piece in merged(parts(of: text)) where !piece.isEmpty { body(piece) }
    }

    /// All of `text`: matches, also empty ones, and what lies between.
    private func parts(of text: Span<UInt8>) -> [(range: Range<Int>, isMatch: Bool)] {
        var parts = [(range: Range<Int>, isMatch: Bool)]()
        var done = 0
        expression.forEachMatch(in: text) { match in
            if done < match.lowerBound { parts.append((done..<match.lowerBound, isInverted)) }
            parts.append((match, !isInverted))
            done = match.upperBound
        }
        if done < text.count { parts.append((done..<text.count, isInverted)) }
        return parts
    }

    private func merged(_ parts: [(range: Range<Int>, isMatch: Bool)]) -> [Range<Int>] {
        // Going backwards, what joins the piece behind it joins the one that came last.
        let isBackwards = behavior == .mergedWithNext
        var pieces = [Range<Int>]()
        var wasMatch = false
        for part in isBackwards ? parts.reversed() : parts {
            let joins = behavior == .contiguous ? part.isMatch == wasMatch : part.isMatch && !wasMatch
            wasMatch = part.isMatch
            if joins, let last = pieces.popLast() {
                pieces.append(isBackwards ? part.range.lowerBound..<last.upperBound : last.lowerBound..<part.range.upperBound)
            } else {
                pieces.append(part.range)
            }
        }
        return isBackwards ? pieces.reversed() : pieces
    }
}
