/// Words are cut greedily: the longest token that begins the word, then the longest that continues it, and so on.
///
/// Schuster and Nakajima 2012, "Japanese and Korean Voice Search"; as BERT uses it, Devlin et al. 2018, arXiv:1810.04805.
struct WordPieceModel: TokenModel {
    let vocabulary: Vocabulary
    /// The tokens that may begin a word, and those that continue one, without the mark that they all start with.
    private let beginnings: ByteTrie
    private let continuations: ByteTrie
    /// The token of words that cannot be cut; nil drops them.
    private let unknown: Int32?
    /// Words of more characters are unknown.
    private let maximumLength: Int

    init(vocabulary: Vocabulary, continuationPrefix: [UInt8], unknown: Int32?, maximumLength: Int) {
        self.vocabulary = vocabulary
        beginnings = ByteTrie(vocabulary)
        continuations = ByteTrie(vocabulary, after: continuationPrefix)
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
            var longest: (end: Int, id: Int32)?
            (start == 0 ? beginnings : continuations).forEachToken(in: word, from: start) { longest = ($0, $1) }
            guard let longest else { return false }
            output.append(longest.id)
            start = longest.end
        }
        return true
    }
}
