extension TokenizerFile {
    /// What a tokenizer.json would hold for a `tekken.json`, Mistral's own form: where text is cut, tokens as bytes in the order of their ranks, and the special
    /// tokens, whose ids come before all others.
    init(tekken text: [UInt8], _ settings: TokenizerSettings, path: String) throws(ModelFileError) {
        let contents: TekkenContents
        do { contents = try TekkenContents(text) } catch { throw error.located(in: text, path: path) }
        let fields = ConfigurationFields(contents.fields, path: path)
        guard let config = try fields.section("config") else {
            throw fields.error("has no 'config'; the pattern and sizes of a vocabulary were expected")
        }
        let special = try TokenizerFile.specialTokens(fields, config)
        let size = try config.value("default_vocab_size", default: Vocabulary.maximumID)
        guard size > special.count else {
            throw fields.error("has a default_vocab_size of \(size) with \(special.count) special tokens; more than those was expected")
        }
        let tokens: [[UInt8]?]
        do { tokens = try contents.tokens(atMost: size - special.count) } catch { throw error.located(in: text, path: path) }
        // Special tokens have no part in merges. A token that reads as one of them is it.
        var (ranks, vocabulary) = (Vocabulary(expectedCount: tokens.count), Vocabulary(expectedCount: special.count + tokens.count))
        var taken: [UInt32: UInt32] = [:]
        for (id, token) in special.enumerated() {
            guard vocabulary.insert(Array(token.utf8).span, id: id) else {
                throw fields.error("has the special token '\(token)' twice; each was expected once")
            }
        }
        for (rank, bytes) in tokens.enumerated() {
            guard let bytes, !bytes.isEmpty else { throw fields.error("has a token of rank \(rank) that is not bytes in base64") }
            let (token, id) = (ByteAlphabet.encoded(bytes), special.count + rank)
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

/// What a tekken.json holds, its vocabulary left as text: as a tree, tokens would take most of the time of reading.
private struct TekkenContents {
    /// All but the vocabulary.
    private(set) var fields = JSONObject()
    /// At the vocabulary's list.
    private var vocabulary: JSONScanner

    init(_ text: [UInt8]) throws(JSONError) {
        var scanner = try JSONScanner(text)
        guard scanner.peek() == UInt8(ascii: "{") else {
            throw scanner.error("holds no object; config, vocab and special_tokens were expected")
        }
        var position: Int?
        try scanner.beginObject()
        while let key = try scanner.nextKey() {
            let name = try scanner.text(key)
            if name == "vocab" { position = try scanner.skipValue().lowerBound } else { fields[name] = try scanner.value() }
        }
        try scanner.expectEnd()
        guard let position else { throw scanner.error("has no 'vocab'; a list of tokens was expected") }
        vocabulary = JSONScanner(resuming: scanner, at: position)
    }

    /// The bytes of the first tokens by their ranks; nil for one that has none, or not in base64.
    func tokens(atMost limit: Int) throws(JSONError) -> [[UInt8]?] {
        var (scanner, tokens, text) = (vocabulary, [[UInt8]?](), [UInt8]())
        try scanner.beginArray()
        while tokens.count < limit, try scanner.nextElement() {
            var token: [UInt8]?
            try scanner.beginObject()
            while let key = try scanner.nextKey() {
                guard scanner.bytes[key.range].elementsEqual("token_bytes".utf8), scanner.peek() == UInt8(ascii: "\"") else {
                    _ = try scanner.skipValue()
                    continue
                }
                text.removeAll(keepingCapacity: true)
                try scanner.unescape(try scanner.string(), into: &text)
                token = Base64.decode(text[...])
            }
            tokens.append(token)
        }
        return tokens
    }
}
