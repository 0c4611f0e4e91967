/// Each piece is a token as a whole, or unknown.
struct WordModel: TokenModel {
    let vocabulary: Vocabulary
    /// The token of words that are in no vocabulary; nil drops them.
    let unknown: Int32?

    func encode(_ piece: Span<UInt8>, into output: inout [Int32], scratch: inout BytePairScratch) {
        if let id = vocabulary.id(of: piece).map({ Int32($0) }) ?? unknown { output.append(id) }
    }
}
