/// Words are cut greedily: the longest token that begins the word, then the longest that continues it, and so on.
///
/// Schuster and Nakajima 2012, "Japanese and Korean Voice Search"; as BERT uses it, Devlin et al. 2018, arXiv:1810.04805.
struct WordPieceModel: TokenModel {
    let vocabulary: Vocabulary
    private let tokens: ByteTrie
    /// Where the tokens that continue a word begin, all of which start with the same mark; nil without any.
    private let continuation: UInt32?
    /// The token of words that cannot be cut; nil drops them.
    private let unknown: Int32?
    /// Words of more characters are unknown.
    private let maximumLength: Int

    init(vocabulary: Vocabulary, continuationPrefix: [UInt8], unknown: Int32?, maximumLength: Int) {
        self.vocabulary = vocabulary
        tokens = ByteTrie(vocabulary)
        continuation = tokens.node(of: continuationPrefix)
        self.unknown = unknown
        self.maximumLength = maximumLength
    }

    func encode(_ piece: Span<UInt8>, into output: inout [Int32], scratch: inout BytePairScratch) {
        scratch.withCache(piece, into: &output) { output, _ in
            let start = output.count
            if UTF8Text.count(of: piece) <= maximumLength, cut(piece, into: &output) { return }
            output.removeSubrange(start...)
            if let unknown { output.append(unknown) }
        }
    }

    /// Appends the tokens of `word`; false when a part of it is no token.
    private func cut(_ word: Span<UInt8>, into output: inout [Int32]) -> Bool {
        var start = 0
        while start < word.count {
            guard var node = start == 0 ? ByteTrie.root : continuation else { return false }
            var longest: (end: Int, id: Int32)?
            for index in start..<word.count {
                node = tokens.child(of: node, word[index])
                if node == ByteTrie.root { break }
                if tokens.value(at: node) >= 0 { longest = (index + 1, tokens.value(at: node)) }
            }
            guard let longest else { return false }
            output.append(longest.id)
            start = longest.end
        }
        return true
    }
}
