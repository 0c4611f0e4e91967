extension TokenizerFile {
    /// What a tokenizer.json would hold for a model of SentencePiece.
    ///
    /// Text is prepared as the model says, which is what it was trained on. The family decides what ids pieces have and what is put around texts.
    init(_ model: SentencePieceFile, _ settings: TokenizerSettings, path: String) throws(ModelFileError) {
        let family = settings.family ?? .sentencePiece
        guard model.algorithm == .unigram || model.algorithm == .bytePairs, !model.marksEnds else {
            throw .unsupported(
                path: path,
                "is a model of SentencePiece \(model.marksEnds ? "with spaces at the ends of words" : "of the kind '\(model.algorithm)'"), "
                    + "which is not implemented; unigrams and byte pairs are")
        }
        let scored = TokenizerFile.laidOut(model, family)
        var vocabulary = Vocabulary(expectedCount: scored.count)
        for (id, piece) in scored.enumerated() {
            let text = Array(piece.text)
            guard vocabulary.insert(text.span, id: id) else {
                throw .malformed(path: path, "has the piece '\(String(decoding: piece.text, as: UTF8.self))' twice")
            }
        }
        let unknown = scored.firstIndex { $0.kind == .unknown }
        var added = AddedTokenList(vocabulary)
        for piece in scored where piece.kind != .normal && piece.kind != .byte && piece.kind != .unused {
            try added.add(String(decoding: piece.text, as: UTF8.self), isSpecial: piece.kind != .userDefined)
        }
        if family == .t5 {
            let count = try settings.fields.value("extra_ids", default: 100)
            guard 0...1000 ~= count else { throw settings.fields.error("has \(count) extra_ids; 0 to 1000 were expected") }
            for index in (0..<count).reversed() { try added.add("<extra_id_\(index)>", isSpecial: true) }
        }
        try settings.addTokens(to: &added)

        let addsPrefix = try settings.fields.value("add_prefix_space", default: model.addsPrefix)
        let components = TokenizerComponentsText(
            normalizer: try TokenizerFile.normalizer(model, family, settings, addsPrefix),
            preTokenizer: try TokenizerFile.preTokenizer(model, family, settings, addsPrefix),
            postProcessor: try settings.template(default: family, marks: (model.beginName, model.endName)).json(added, path: path),
            decoder: model.algorithm == .bytePairs || model.fallsBackToBytes
                ? TokenizerParts.markedDecoder(dropsFirst: addsPrefix) : TokenizerParts.metaspace(addsPrefix ? "always" : "never", splits: true))
        switch model.algorithm {
        case .unigram:
            let object: JSONObject = [
                "type": "Unigram", "unk_id": unknown.map { .number(JSONNumber($0)) } ?? .null, "byte_fallback": .bool(model.fallsBackToBytes),
            ]
            self.init(components, object, vocabulary, scores: scored.map { Double($0.score) }, added: added)
        default:
            let object: JSONObject = [
                "type": "BPE", "dropout": nil, "unk_token": unknown.map { .string(String(decoding: scored[$0].text, as: UTF8.self)) } ?? .null,
                "continuing_subword_prefix": nil, "end_of_word_suffix": nil, "fuse_unk": true, "byte_fallback": .bool(model.fallsBackToBytes),
                "ignore_merges": false,
            ]
            self.init(components, object, vocabulary, merges: TokenizerFile.merges(vocabulary), added: added)
        }
    }

    /// The pieces in the order of their ids: XLM-R has a few of its own before and behind.
    private static func laidOut(_ model: SentencePieceFile, _ family: TokenizerFamily) -> [SentencePieceFile.Piece] {
        guard family == .xlmRoberta else { return model.pieces }
        func piece(_ text: String, _ kind: SentencePieceFile.Kind) -> SentencePieceFile.Piece { .init(text: Array(text.utf8)[...], kind: kind) }
        return [piece("<s>", .control), piece("<pad>", .control), piece("</s>", .control), piece("<unk>", .unknown)] + model.pieces.dropFirst(3)
            + [piece("<mask>", .control)]
    }

    private static func normalizer(
        _ model: SentencePieceFile, _ family: TokenizerFamily, _ settings: TokenizerSettings, _ addsPrefix: Bool
    ) throws(ModelFileError) -> JSONValue {
        var steps = [JSONValue]()
        if family == .debertaV2, try settings.fields.value("do_lower_case", default: false) { steps.append(["type": "Lowercase"]) }
        if !model.characterMap.isEmpty {
            steps.append(["type": "Precompiled", "precompiled_charsmap": .string(Base64.encode(Array(model.characterMap)))])
        }
        if model.removesExtraSpaces && family != .t5 && family != .xlmRoberta {
            steps += [["type": "Strip", "strip_left": true, "strip_right": true], TokenizerParts.replace(" {2,}", with: " ", isExpression: true)]
        }
        if model.algorithm == .bytePairs && family != .llama {
            if addsPrefix { steps.append(["type": "Prepend", "prepend": .string(TokenizerParts.mark)]) }
            steps.append(TokenizerParts.replace(" ", with: TokenizerParts.mark))
        }
        return TokenizerParts.sequence("normalizers", steps)
    }

    private static func preTokenizer(
        _ model: SentencePieceFile, _ family: TokenizerFamily, _ settings: TokenizerSettings, _ addsPrefix: Bool
    ) throws(ModelFileError) -> JSONValue {
        switch (model.algorithm, family) {
        case (.unigram, .t5), (.unigram, .xlmRoberta):
            return TokenizerParts.sequence("pretokenizers", [["type": "WhitespaceSplit"], TokenizerParts.metaspace("always", splits: true)])
        case (.unigram, .debertaV2) where try settings.fields.value("split_by_punct", default: false):
            return TokenizerParts.sequence(
                "pretokenizers", [["type": "Punctuation", "behavior": "Isolated"], TokenizerParts.metaspace("always", splits: true)])
        case (.unigram, _): return TokenizerParts.metaspace(addsPrefix ? "always" : "never", splits: model.cutsAtSpaces)
        case (_, .llama):
            // Texts between special tokens begin with a mark too in what transformers calls legacy.
            let first = try settings.fields.value("legacy", default: false) ? "always" : "first"
            return TokenizerParts.metaspace(addsPrefix ? first : "never", splits: false)
        default: return nil
        }
    }

    /// Every way to join two tokens to a third, the earliest third first.
    ///
    /// - Parameter byLength: whether of one third's ways that with the shortest left part comes first, else that with the earliest left part.
    static func merges(_ vocabulary: Vocabulary, byLength: Bool = true) -> [(left: UInt32, right: UInt32, merged: UInt32)] {
        var merges = [(left: UInt32, right: UInt32, merged: UInt32)]()
        for id in 0..<vocabulary.upperBound where vocabulary.contains(id: id) {
            let start = merges.count
            vocabulary.withText(of: id) { text in
                vocabulary.forEachBeginning(of: text) { cut, left in
                    guard let right = vocabulary.id(of: text.extracting(cut..<text.count)) else { return }
                    merges.append((UInt32(left), UInt32(right), UInt32(id)))
                }
            }
            if !byLength { merges[start...].sort { ($0.left, $0.right) < ($1.left, $1.right) } }
        }
        return merges
    }
}
