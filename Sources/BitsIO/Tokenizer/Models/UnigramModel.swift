/// Of all ways to cut a text into tokens, the one whose scores have the largest sum.
///
/// Kudo 2018, "Subword Regularization", arXiv:1804.10959. Sums are made from the left in double precision; of equal ones the path that was found first counts,
/// which is the one whose last token is the longest.
struct UnigramModel: TokenModel {
    let vocabulary: Vocabulary
    private let tokens: ByteTrie
    /// For each id, the logarithm of its probability.
    private let scores: [Double]
    /// The score of a character that is no token.
    private let unknownScore: Double
    /// The token of characters that are none; nil drops them.
    private let unknown: Int32?
    /// For each byte, the token `<0xNN>`; empty without byte fallback, or when one is missing.
    private let fallback: [Int32?]

    private static let unknownPenalty = 10.0

    init(vocabulary: Vocabulary, scores: [Double], unknown: Int32?, fallsBackToBytes: Bool) {
        self.vocabulary = vocabulary
        tokens = ByteTrie(vocabulary)
        self.scores = scores
        unknownScore = (scores.min() ?? 0) - UnigramModel.unknownPenalty
        self.unknown = unknown
        fallback = fallsBackToBytes ? (0..<256).map { vocabulary.id(of: BytePairModel.fallbackText(UInt8($0))).map { Int32($0) } } : []
    }

    func encode(_ piece: Span<UInt8>, into output: inout [Int32], scratch: inout BytePairScratch) {
        scratch.withCache(piece, into: &output) { output, scratch in
            findBestPath(piece, &scratch.path)
            scratch.path.collect(joining: unknown)
            for step in scratch.path.steps { append(step, of: piece, to: &output) }
        }
    }

    private func findBestPath(_ text: Span<UInt8>, _ path: inout UnigramPath) {
        path.begin(count: text.count)
        var start = 0
        while start < text.count {
            let next = start + UTF8Text.length(startingWith: text[start])
            let score = path.score(at: start)
            var hasCharacter = false
            tokens.forEachToken(in: text, from: start) { end, id in
                path.offer(id, from: start, to: end, score: scores[Int(id)] + score)
                if end == next { hasCharacter = true }
            }
            if !hasCharacter { path.offer(unknown ?? UnigramPath.noToken, from: start, to: next, score: unknownScore + score) }
            start = next
        }
    }

    private func append(_ step: UnigramPath.Step, of text: Span<UInt8>, to output: inout [Int32]) {
        guard step.id == unknown || step.id == UnigramPath.noToken else { return output.append(step.id) }
        // Neighbouring unknown characters are one text, which may be a token after all.
        if let id = vocabulary.id(of: text.extracting(step.range)) { return output.append(Int32(id)) }
        let bytes = fallback.isEmpty ? [] : step.range.compactMap { fallback[Int(text[$0])] }
        if bytes.count == step.range.count {
            output += bytes
        } else if let unknown {
            output.append(unknown)
        }
    }
}
