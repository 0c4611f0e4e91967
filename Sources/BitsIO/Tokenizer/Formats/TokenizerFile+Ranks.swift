extension TokenizerFile {
    /// What a tokenizer.json would hold for a list of tiktoken's: in each line a token in base64, a space, and its rank, which is its id.
    init(ranks text: [UInt8], _ settings: TokenizerSettings, path: String) throws(ModelFileError) {
        let vocabulary = try TokenizerFile.vocabulary(ranks: text, path: path)
        var added = AddedTokenList(vocabulary)
        try settings.addReserved(to: &added)
        try settings.addTokens(to: &added)
        let expression = settings.family == .qwen2 ? TokenizerFile.qwenExpression : TokenizerFile.llamaExpression
        self.init(
            TokenizerComponentsText(
                preTokenizer: TokenizerParts.sequence("pretokenizers", [TokenizerParts.split(expression), TokenizerParts.byteLevel(splits: false)]),
                postProcessor: try settings.template(default: .gpt2).json(added, path: path), decoder: TokenizerParts.byteLevel(addsPrefixSpace: true)
            ),
            TokenizerParts.bytePairs, vocabulary, merges: TokenizerFile.merges(vocabulary, byLength: false), added: added)
    }

    /// The tokens in the alphabet of byte-level vocabularies.
    private static func vocabulary(ranks text: [UInt8], path: String) throws(ModelFileError) -> Vocabulary {
        var listed = [(token: [UInt8], rank: Int)]()
        for (index, line) in text.split(separator: 0x0a).enumerated() {
            let line = line.last == 0x0d ? line.dropLast() : line
            guard let space = line.firstIndex(of: 0x20), let token = Base64.decode(line[..<space]), !token.isEmpty,
                let rank = Int(String(decoding: line[(space + 1)...], as: UTF8.self)), rank >= 0
            else { throw .malformed(path: path, "has a line \(index + 1) that is not a token in base64 and its rank") }
            listed.append((ByteAlphabet.encoded(token), rank))
        }
        listed.sort { $0.rank < $1.rank }
        var vocabulary = Vocabulary(expectedCount: listed.count)
        for (token, rank) in listed {
            guard vocabulary.insert(token.span, id: rank) else {
                throw .malformed(path: path, "has the rank \(rank) or its token twice, or it is out of range; each token was expected once")
            }
        }
        return vocabulary
    }

    /// Where Llama 3 cuts.
    private static let llamaExpression =
        ##"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"##
    /// Where Qwen cuts: each digit apart.
    static let qwenExpression = ##"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"##
}
