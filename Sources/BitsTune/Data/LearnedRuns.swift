public import BitsIO

extension TokenizedExample {
    /// The tokens for people: a line for every run that is given or learned, with bars between tokens and line ends written out.
    public func described(by tokenizer: Tokenizer) -> String {
        var lines: [String] = []
        var place = 0
        func add(_ end: Int, _ title: String) {
            guard end > place else { return }
            let tokens = ids[place..<end].map { LearnedRuns.text(of: $0, tokenizer) }
            lines.append("  \(title)  \(tokens.joined(separator: "|"))")
            place = end
        }
        for run in learned {
            // The first token is never predicted.
            add(max(run.lowerBound, 1), "given  ")
            add(run.upperBound, "learned")
        }
        add(ids.count, "given  ")
        return lines.joined(separator: "\n")
    }
}

private enum LearnedRuns {
    static func text(of id: Int32, _ tokenizer: Tokenizer) -> String {
        let text = tokenizer.decode([id], skipsSpecialTokens: false)
        return String(text.flatMap { $0 == "\n" ? "\\n" : $0 == "\t" ? "\\t" : $0 == "\r" ? "\\r" : "\($0)" })
    }
}
