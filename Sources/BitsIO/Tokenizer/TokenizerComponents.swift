/// The parts of a tokenizer, as a file describes them.
struct TokenizerComponents: Sendable {
    let model: any TokenModel
    let vocabulary: Vocabulary
    let normalizer: Normalizer
    let preTokenizer: PreTokenizer
    let postProcessor: PostProcessor
    let decoder: TokenDecoder
    let truncation: TruncationRule?
    let padding: PaddingRule?
    /// Added tokens that are looked for in the text as it comes, and in the normalized one.
    let literalTokens: AddedTokens
    let normalizedTokens: AddedTokens
    /// Ids that decoding can leave out: all that are marked so, also those whose text the normalizer changes (which tokenizers then keeps).
    let special: Set<Int32>
    private let added: [Int32: AddedTokens.Token]
    private let addedIDs: [String: Int32]

    init(
        model: any TokenModel, normalizer: Normalizer, preTokenizer: PreTokenizer, postProcessor: PostProcessor, decoder: TokenDecoder,
        truncation: TruncationRule?, padding: PaddingRule?, added tokens: [AddedTokens.Token]
    ) {
        let vocabulary = model.vocabulary
        self.model = model
        self.vocabulary = vocabulary
        self.normalizer = normalizer
        self.preTokenizer = preTokenizer
        self.postProcessor = postProcessor
        self.decoder = decoder
        self.truncation = truncation
        self.padding = padding
        let tokens = tokens.map { token in
            var token = token
            // The vocabulary's id counts where it has the token too.
            if let id = vocabulary.id(of: Array(token.content.utf8)) { token.id = Int32(id) }
            if token.isNormalized { token.text = normalizer.apply(token.text) }
            return token
        }
        let literal = tokens.filter { !$0.isNormalized }
        let normalized = tokens.filter(\.isNormalized)
        literalTokens = AddedTokens(literal)
        normalizedTokens = AddedTokens(normalized)
        special = Set(tokens.filter(\.isSpecial).map(\.id))
        added = Dictionary(tokens.map { ($0.id, $0) }) { _, last in last }
        addedIDs = Dictionary(tokens.map { ($0.content, $0.id) }) { _, last in last }
    }

    var upperBound: Int { max(vocabulary.upperBound, (added.keys.max()).map { Int($0) + 1 } ?? 0) }

    func id(of token: String) -> Int32? { addedIDs[token] ?? vocabulary.id(of: Array(token.utf8)).map { Int32($0) } }

    func token(_ id: Int32) -> String? {
        if let token = added[id] { return String(decoding: token.text, as: UTF8.self) }
        guard vocabulary.contains(id: Int(id)) else { return nil }
        return vocabulary.withText(of: Int(id)) { text in String(decoding: text.indices.map { text[$0] }, as: UTF8.self) }
    }

    func append(_ id: Int32, to assembler: inout TextAssembler, skipsSpecialTokens: Bool) {
        if skipsSpecialTokens && special.contains(id) { return }
        if let token = added[id] {
            assembler.append(token.text.span)
        } else if vocabulary.contains(id: Int(id)) {
            vocabulary.withText(of: Int(id)) { assembler.append($0) }
        }
    }
}
