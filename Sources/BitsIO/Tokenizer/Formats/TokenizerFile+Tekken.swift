extension TokenizerFile {
    /// What a tokenizer.json would hold for a `tekken.json`, Mistral's own form: where text is cut, tokens as bytes in the order of their ranks, and the special
    /// tokens, whose ids come before all others.
    init(tekken text: [UInt8], _ settings: TokenizerSettings, path: String) throws(ModelFileError) {
        guard case .object(let object) = try JSONValue(parsing: text, path: path) else {
            throw .malformed(path: path, "holds no object; config, vocab and special_tokens were expected")
        }
        let fields = ConfigurationFields(object, path: path)
        guard let config = try fields.section("config") else {
            throw fields.error("has no 'config'; the pattern and sizes of a vocabulary were expected")
        }
        let special = try TokenizerFile.specialTokens(fields, config)
        let size = try config.value("default_vocab_size", default: Vocabulary.maximumID)
        guard size > special.count else {
            throw fields.error("has a default_vocab_size of \(size) with \(special.count) special tokens; more than those was expected")
        }
        // Special tokens have no part in merges. A token that reads as one of them is it.
        var (ranks, vocabulary) = (Vocabulary(), Vocabulary())
        var taken: [UInt32: UInt32] = [:]
        for (id, token) in special.enumerated() {
            guard vocabulary.insert(Array(token.utf8).span, id: id) else {
                throw fields.error("has the special token '\(token)' twice; each was expected once")
            }
        }
        for (rank, entry) in try fields.sections("vocab").prefix(size - special.count).enumerated() {
            guard let bytes = Base64.decode(Array(try entry.require("token_bytes", as: String.self).utf8)[...]), !bytes.isEmpty else {
                throw fields.error("has a token of rank \(rank) that is not bytes in base64")
            }
            let (token, id) = (bytes.flatMap { ByteAlphabet.encoded($0) }, special.count + rank)
            guard ranks.insert(token.span, id: id) else { throw fields.error("has the token of rank \(rank) twice, or it is out of range") }
            if !vocabulary.insert(token.span, id: id) { taken[UInt32(id)] = vocabulary.id(of: token).map { UInt32($0) } }
        }
        var added = AddedTokenList(vocabulary)
        for token in special { try added.add(token, isSpecial: true) }
        try settings.addTokens(to: &added)
        func settled(_ id: UInt32) -> UInt32 { taken[id] ?? id }
        let merges = TokenizerFile.merges(ranks, byLength: false).map {
            (left: settled($0.left), right: settled($0.right), merged: settled($0.merged))
        }
        let expression = try config.require("pattern", as: String.self)
        self.init(
            TokenizerComponentsText(
                preTokenizer: TokenizerParts.sequence("pretokenizers", [TokenizerParts.split(expression), TokenizerParts.byteLevel(splits: false)]),
                postProcessor: try settings.template(default: .gpt2).json(added, path: path), decoder: TokenizerParts.byteLevel(addsPrefixSpace: true)
            ),
            TokenizerParts.bytePairs, vocabulary, merges: merges, added: added)
    }

    /// The special tokens in the order of their ids, from 0; places that nothing is said of are filled.
    private static func specialTokens(_ fields: ConfigurationFields, _ config: ConfigurationFields) throws(ModelFileError) -> [String] {
        let listed = fields.contains("special_tokens") ? try fields.sections("special_tokens") : nil
        var named: [Int: String] = [:]
        for token in listed ?? [] {
            let rank = try token.require("rank", as: Int.self)
            named[rank] = try token.require("token_str", as: String.self)
        }
        if listed == nil { named = Dictionary(uniqueKeysWithValues: firstSpecialTokens.enumerated().map { ($0, $1) }) }
        let count = try config.value("default_num_special_tokens", default: named.count)
        guard named.count == listed?.count ?? named.count, named.keys.allSatisfy({ 0..<named.count ~= $0 }), named.count...(1 << 20) ~= count else {
            throw fields.error("has \(named.count) special tokens of \(count) whose ranks are not those from 0 on, each once")
        }
        return (0..<count).map { named[$0] ?? "<SPECIAL_\($0)>" }
    }

    /// Those of files that do not list any.
    private static let firstSpecialTokens = [
        "<unk>", "<s>", "</s>", "[INST]", "[/INST]", "[AVAILABLE_TOOLS]", "[/AVAILABLE_TOOLS]", "[TOOL_RESULTS]", "[/TOOL_RESULTS]", "[TOOL_CALLS]",
        "[IMG]", "<pad>", "[IMG_BREAK]", "[IMG_END]", "[PREFIX]", "[MIDDLE]", "[SUFFIX]", "[SYSTEM_PROMPT]", "[/SYSTEM_PROMPT]", "[TOOL_CONTENT]",
    ]
}
