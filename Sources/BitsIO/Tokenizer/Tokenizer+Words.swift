extension Tokenizer {
    /// The tokens of a text that is cut into words already, each encoded by itself, with those of the template around; and of each token the number of its
    /// word, nil for the template's.
    ///
    /// A tokenizer of bytes that tells a word at the beginning of a text from one behind a space gets a space before every word, as one of transformers'
    /// does with `add_prefix_space`.
    ///
    /// - Parameter truncation: cuts what is too long, within a word too.
    public func encode(words: [String], truncation: TruncationRule? = nil) -> (text: EncodedText, words: [Int?]) {
        let space = components.preTokenizer.isByteLevel && !components.preTokenizer.prefixesSpace ? " " : ""
        let encoded = words.map { encode(space + $0, addsSpecialTokens: false) }
        let (all, numbers) = (encoded.flatMap(\.self), encoded.indices.flatMap { word in encoded[word].map { _ in word } })
        let kept = truncation?.apply([all], addedCount: components.postProcessor.addedCount(isPair: false))[0] ?? all
        var remaining = (truncation?.cutsEnd ?? true ? numbers.prefix(kept.count) : numbers.suffix(kept.count))[...]
        let text = components.postProcessor.apply([kept], addsSpecialTokens: true)
        return (text, text.isTemplate.map { $0 ? nil : remaining.popFirst() })
    }
}
