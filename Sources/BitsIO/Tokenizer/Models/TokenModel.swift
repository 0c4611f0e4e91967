/// What makes tokens of pieces: the `model` of tokenizer.json.
protocol TokenModel: Sendable {
    /// The tokens by their text, added ones apart.
    var vocabulary: Vocabulary { get }

    /// Appends the tokens of `piece`.
    func encode(_ piece: Span<UInt8>, into output: inout [Int32], scratch: inout BytePairScratch)
}

extension BytePairScratch {
    /// Appends the tokens of `piece`: those of its latest encoding where it is short and was seen lately, else what `encode` appends.
    mutating func withCache(_ piece: Span<UInt8>, into output: inout [Int32], _ encode: (inout [Int32], inout BytePairScratch) -> Void) {
        guard let key = Key(piece) else { return encode(&output, &self) }
        if appendCached(key, to: &output) { return }
        let start = output.count
        encode(&output, &self)
        remember(key, output, from: start)
    }
}
