/// A sequence of tokens, and which of them are to be learned.
public struct TokenizedExample: Sendable, Equatable {
    public var ids: [Int32]
    /// The tokens that are predicted, each from those before it: runs in order that do not overlap. The first token of a sequence cannot be.
    public var learned: [Range<Int>]

    /// - Parameter learned: runs within the tokens, in order.
    public init(ids: [Int32], learned: [Range<Int>]) {
        precondition(
            zip(learned, learned.dropFirst()).allSatisfy { $0.upperBound <= $1.lowerBound }
                && (learned.first?.lowerBound ?? 0) >= 0 && (learned.last?.upperBound ?? 0) <= ids.count,
            "runs \(learned) of \(ids.count) tokens")
        self.ids = ids
        self.learned = learned
    }

    /// A prompt and a completion.
    ///
    /// - Parameter completionStart: the first token of the completion; all from there on are learned.
    public init(ids: [Int32], completionStart: Int) {
        self.init(ids: ids, learned: [min(completionStart, ids.count)..<ids.count])
    }

    /// Tokens that count for the loss.
    public var targetCount: Int { learned.reduce(0) { $0 + max(0, $1.upperBound - max(1, $1.lowerBound)) } }

    /// What follows each token, where that is learned; -100 elsewhere.
    public var targets: [Int32] {
        var targets = [Int32](repeating: -100, count: ids.count)
        for run in learned {
            for place in run where place > 0 { targets[place - 1] = ids[place] }
        }
        return targets
    }

    /// The example with at most `length` tokens.
    public func truncated(to length: Int, _ truncation: Truncation = .keepStart) -> TokenizedExample {
        guard ids.count > length else { return self }
        let kept = truncation == .keepStart ? 0..<length : ids.count - length..<ids.count
        let runs = learned.map { $0.clamped(to: kept) }.filter { !$0.isEmpty }
        return TokenizedExample(
            ids: Array(ids[kept]), learned: runs.map { $0.lowerBound - kept.lowerBound..<$0.upperBound - kept.lowerBound })
    }
}

/// What is left of an example that is too long. Reference: TRL's `truncation_mode`.
public enum Truncation: String, Sendable, CaseIterable {
    case keepStart = "keep-start"
    case keepEnd = "keep-end"
}
