/// The parts of a tokenizer, as a file describes them.
struct TokenizerComponents: Sendable {
    let model: BytePairModel
    let normalizer: Normalizer
    let preTokenizer: PreTokenizer
    let postProcessor: PostProcessor
    let decoder: TokenDecoder
    /// Added tokens that are looked for in the text as it comes, and in the normalized one.
    let literalTokens: AddedTokens
    let normalizedTokens: AddedTokens
    /// Ids that decoding can leave out: all that are marked so, also those whose text the normalizer changes (which tokenizers then keeps).
    let special: Set<Int32>
    private let added: [Int32: AddedTokens.Token]
    private let addedIDs: [String: Int32]

    init(
        model: BytePairModel, normalizer: Normalizer, preTokenizer: PreTokenizer, postProcessor: PostProcessor, decoder: TokenDecoder,
        added tokens: [AddedTokens.Token]
    ) {
        self.model = model
        self.normalizer = normalizer
        self.preTokenizer = preTokenizer
        self.postProcessor = postProcessor
        self.decoder = decoder
        let tokens = tokens.map { token in
            var token = token
            // The vocabulary's id counts where it has the token too.
            if let id = model.vocabulary.id(of: Array(token.content.utf8)) { token.id = Int32(id) }
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

    var upperBound: Int { max(model.vocabulary.upperBound, (added.keys.max()).map { Int($0) + 1 } ?? 0) }

    func id(of token: String) -> Int32? { addedIDs[token] ?? model.vocabulary.id(of: Array(token.utf8)).map { Int32($0) } }

    func token(_ id: Int32) -> String? {
        if let token = added[id] { return String(decoding: token.text, as: UTF8.self) }
        guard model.vocabulary.contains(id: Int(id)) else { return nil }
        return model.vocabulary.withText(of: Int(id)) { text in String(decoding: text.indices.map { text[$0] }, as: UTF8.self) }
    }

    func append(_ id: Int32, to assembler: inout TextAssembler, skipsSpecialTokens: Bool) {
        if skipsSpecialTokens && special.contains(id) { return }
        if let token = added[id] {
            assembler.append(token.text.span)
        } else if model.vocabulary.contains(id: Int(id)) {
            model.vocabulary.withText(of: Int(id)) { assembler.append($0) }
        }
    }
}
