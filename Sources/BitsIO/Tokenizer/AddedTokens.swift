/// Tokens that are found in the text before anything else happens to it: begin and end marks, special words.
struct AddedTokens: Sendable {
    struct Token: Sendable, Equatable {
        var id: Int32
        var content: String
        /// What is looked for and decoded to: the content's UTF-8, normalized where the token is.
        var text: [UInt8]
        /// Found only as a word of its own.
        var isSingleWord = false
        /// Takes the spaces before, after it with it.
        var takesLeft = false
        var takesRight = false
        /// Looked for in the normalized text.
        var isNormalized = false
        /// Left out of decoded text.
        var isSpecial = false
    }

    /// A part of a text: a token, or what lies between.
    enum Part: Equatable {
        case token(Int32)
        case text(Range<Int>)
    }

    private let tokens: [Token]
    /// A trie: the child of a node under a byte, at node * 256 + byte.
    private var children: [UInt32: UInt32] = [:]
    /// Which token ends at each node; -1 for none.
    private var ends: [Int32] = [-1]
    private var firstBytes = [Bool](repeating: false, count: 256)

    init(_ tokens: [Token]) {
        self.tokens = tokens
        for (index, token) in tokens.enumerated() where !token.text.isEmpty {
            firstBytes[Int(token.text[0])] = true
            var node: UInt32 = 0
            for byte in token.text {
                let key = node << 8 | UInt32(byte)
                if let child = children[key] {
                    node = child
                } else {
                    children[key] = UInt32(ends.count)
                    node = UInt32(ends.count)
                    ends.append(-1)
                }
            }
            ends[Int(node)] = Int32(index)
        }
    }

    var isEmpty: Bool { ends.count == 1 }

    /// Cuts `text` at the tokens in it, the leftmost first, of several the longest.
    func parts(of text: Span<UInt8>) -> [Part] {
        var parts = [Part]()
        var done = 0
        var index = 0
        var spaces = 0..<0
        while index < text.count {
            guard firstBytes[Int(text[index])], let match = longestMatch(in: text, at: index) else {
                index += 1
                continue
            }
            let token = tokens[match.token]
            var (start, end) = (index, match.end)
            index = end
            if token.isSingleWord && (AddedTokens.endsInWord(text, start) || AddedTokens.startsWithWord(text, end)) { continue }
            if token.takesLeft { start = max(done, CharacterClass.startOfSpaces(in: text, before: start, downTo: done)) }
            if token.takesRight {
                // Tokens of spaces find the same spaces behind them again and again.
                if !spaces.contains(end) { spaces = end..<CharacterClass.endOfSpaces(in: text, from: end) }
                end = spaces.upperBound
            }
            if done < start { parts.append(.text(done..<start)) }
            // The search goes on behind the token itself, so spaces that it took may be found again as tokens, and of those that take spaces before
            // them nothing may be left; tokenizers do the same.
            if start < end { parts.append(.token(token.id)) }
            done = end
        }
        if done < text.count { parts.append(.text(done..<text.count)) }
        return parts
    }

    private func longestMatch(in text: Span<UInt8>, at start: Int) -> (token: Int, end: Int)? {
        var node: UInt32 = 0
        var best: (token: Int, end: Int)?
        var index = start
        while index < text.count, let child = children[node << 8 | UInt32(text[index])] {
            node = child
            index += 1
            if ends[Int(node)] >= 0 { best = (Int(ends[Int(node)]), index) }
        }
        return best
    }

    private static func endsInWord(_ text: Span<UInt8>, _ end: Int) -> Bool {
        guard end > 0 else { return false }
        var start = UTF8Text.start(before: end, in: text)
        return CharacterClass.isWord(UTF8Text.scalar(in: text, at: &start))
    }

    private static func startsWithWord(_ text: Span<UInt8>, _ start: Int) -> Bool {
        guard start < text.count else { return false }
        var start = start
        return CharacterClass.isWord(UTF8Text.scalar(in: text, at: &start))
    }
}
