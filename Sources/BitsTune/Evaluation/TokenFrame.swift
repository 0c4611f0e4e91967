public import BitsIO

/// The special tokens that a tokenizer puts before and behind a text.
public struct TokenFrame: Sendable, Equatable {
    public var before: [Int32] = []
    public var behind: [Int32] = []

    public var count: Int { before.count + behind.count }

    public init(before: [Int32] = [], behind: [Int32] = []) { (self.before, self.behind) = (before, behind) }

    /// What is around the tokens of a text that `tokenizer` encodes with its special tokens.
    public init(of tokenizer: Tokenizer) {
        let (whole, inner) = (tokenizer.encode("a"), tokenizer.encode("a", addsSpecialTokens: false))
        guard whole.count > inner.count, let start = (0...whole.count - inner.count).first(where: { whole[$0...].starts(with: inner) }) else {
            return
        }
        (before, behind) = (Array(whole[..<start]), Array(whole[(start + inner.count)...]))
    }
}

extension LabeledSequence {
    /// The tokens of `text` as a classifier reads them, with segments where there are two texts, cut to `context` tokens: the longer of two first.
    public init(_ text: LabeledText, tokenizer: Tokenizer, context: Int) {
        let encoded = tokenizer.encode(text.text, pair: text.pair, truncation: TruncationRule(maximumLength: context))
        self.init(encoded.ids, segments: encoded.segments.contains { $0 != 0 } ? encoded.segments : nil, labels: [text.label])
    }
}
