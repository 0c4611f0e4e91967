extension TokenizerFile {
    /// What a tokenizer.json would hold for `vocab.txt`: a token in each line, BERT's word pieces.
    init(words text: [UInt8], _ settings: TokenizerSettings, path: String) throws(ModelFileError) {
        var vocabulary = Vocabulary()
        var lines = text.split(separator: 0x0a, omittingEmptySubsequences: false)
        if lines.last?.isEmpty == true { lines.removeLast() }
        for line in lines {
            let token = Array(line.last == 0x0d ? line.dropLast() : line)
            guard String(validating: token, as: UTF8.self) != nil, vocabulary.append(token.span) else {
                throw .malformed(path: path, "has a line \(vocabulary.count + 1) that is not UTF-8, or too many")
            }
        }
        var added = AddedTokenList(vocabulary)
        try settings.addTokens(to: &added)
        let fields = settings.fields
        let model: JSONObject = [
            "type": "WordPiece", "unk_token": .string(try settings.special("unk_token") ?? "[UNK]"), "continuing_subword_prefix": "##",
            "max_input_chars_per_word": 100,
        ]
        self.init(
            TokenizerComponentsText(
                normalizer: [
                    "type": "BertNormalizer", "clean_text": true,
                    "handle_chinese_chars": .bool(try fields.value("tokenize_chinese_chars", default: true)),
                    "strip_accents": try fields.optional("strip_accents", as: Bool.self).map { .bool($0) } ?? .null,
                    "lowercase": .bool(try fields.value("do_lower_case", default: true)),
                ],
                preTokenizer: ["type": "BertPreTokenizer"], postProcessor: try settings.template(default: .bert).json(added, path: path),
                decoder: ["type": "WordPiece", "prefix": "##", "cleanup": true]),
            model, vocabulary, added: added)
    }

    /// What a tokenizer.json would hold for `vocab.json` and `merges.txt`: byte pairs of bytes, as in GPT-2.
    ///
    /// - Parameter merges: a pair of tokens in each line with a space between; a first line that begins with `#version` is passed over.
    init(vocabulary: [UInt8], merges: [UInt8], _ settings: TokenizerSettings, path: String) throws(ModelFileError) {
        var lines = merges.split(separator: 0x0a).map { $0.last == 0x0d ? $0.dropLast() : $0 }.filter { !$0.isEmpty }
        if lines.first?.starts(with: Array("#version".utf8)) == true { lines.removeFirst() }
        let pairs: JSONValue = .array(lines.map { .string(String(decoding: $0, as: UTF8.self)) })
        let text = Array(#"{"model": {"type": "BPE", "vocab": "#.utf8) + vocabulary + Array(#", "merges": \#(pairs.compactText)}}"#.utf8)
        let parts: TokenizerFile
        do { parts = try TokenizerFile(text) } catch { throw .malformed(path: path, "with the merges.txt beside it: \(error.reason)") }
        guard let tokens = parts.vocabulary else { throw .malformed(path: path, "is not an object of tokens and ids") }
        var added = AddedTokenList(tokens)
        try settings.addTokens(to: &added)
        let family = settings.family ?? .gpt2
        let addsPrefixSpace = try settings.fields.value("add_prefix_space", default: false)
        var components = TokenizerComponentsText(
            preTokenizer: TokenizerParts.byteLevel(addsPrefixSpace: addsPrefixSpace),
            postProcessor: try settings.template(default: family).json(added, path: path), decoder: TokenizerParts.byteLevel(addsPrefixSpace: true))
        if family == .qwen2 {
            components.normalizer = ["type": "NFC"]
            components.preTokenizer = TokenizerParts.sequence(
                "pretokenizers",
                [TokenizerParts.split(TokenizerFile.qwenExpression), TokenizerParts.byteLevel(splits: false, addsPrefixSpace: addsPrefixSpace)])
        }
        let model: JSONObject = [
            "type": "BPE", "dropout": nil, "unk_token": nil, "continuing_subword_prefix": nil, "end_of_word_suffix": nil, "fuse_unk": false,
            "byte_fallback": false, "ignore_merges": false,
        ]
        self.init(components, model, tokens, merges: parts.merges, added: added)
    }
}
