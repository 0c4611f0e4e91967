extension TokenizerFile {
    private static let knownModels = ["BPE", "Unigram", "WordPiece", "WordLevel"]

    /// The model that the file describes.
    ///
    /// - Parameters:
    ///   - fields: those beside the model, for errors.
    ///   - isByteLevel: whether pieces are encoded as bytes.
    func tokenModel(_ fields: ConfigurationFields, isByteLevel: Bool) throws(ModelFileError) -> any TokenModel {
        guard hasModel else { throw fields.error("has no 'model'; a tokenizer.json of Hugging Face's tokenizers was expected") }
        let model = ConfigurationFields(self.model, path: fields.path)
        let type = try model.value("type", default: impliedType)
        guard TokenizerFile.knownModels.contains(type) else { throw fields.unsupportedComponent("model", type, known: TokenizerFile.knownModels) }
        guard let vocabulary, (scores != nil) == (type == "Unigram") else {
            throw fields.error("has a model '\(type)' without \(type == "Unigram" ? "a list of tokens and scores" : "tokens and ids") as its vocab")
        }
        guard vocabulary.byteCount < ByteTrie.maximumByteCount else {
            throw fields.error("has a vocabulary of \(vocabulary.byteCount) bytes; less than \(ByteTrie.maximumByteCount) was expected")
        }
        switch type {
        case "Unigram": return try UnigramModel(model, vocabulary, scores ?? [])
        case "WordPiece": return try WordPieceModel(model, vocabulary)
        case "WordLevel": return WordModel(vocabulary: vocabulary, unknown: try model.unknownToken(in: vocabulary, default: "<unk>"))
        default: return try BytePairModel(model, vocabulary, merges, isByteLevel: isByteLevel)
        }
    }

    /// What a model is that does not say so, as in older files.
    private var impliedType: String {
        if scores != nil { return "Unigram" }
        if hasMerges { return "BPE" }
        return model["max_input_chars_per_word"] == nil ? "WordLevel" : "WordPiece"
    }
}

extension ConfigurationFields {
    /// The id of the model's `unk_token`; nil where the vocabulary has no such token.
    fileprivate func unknownToken(in vocabulary: Vocabulary, default name: String) throws(ModelFileError) -> Int32? {
        vocabulary.id(of: Array(try value("unk_token", default: name).utf8)).map { Int32($0) }
    }
}

extension WordPieceModel {
    fileprivate init(_ model: ConfigurationFields, _ vocabulary: Vocabulary) throws(ModelFileError) {
        self.init(
            vocabulary: vocabulary, continuationPrefix: Array(try model.value("continuing_subword_prefix", default: "##").utf8),
            unknown: try model.unknownToken(in: vocabulary, default: "[UNK]"),
            maximumLength: try model.value("max_input_chars_per_word", default: 100))
    }
}

extension UnigramModel {
    fileprivate init(_ model: ConfigurationFields, _ vocabulary: Vocabulary, _ scores: [Double]) throws(ModelFileError) {
        let unknown = try model.optional("unk_id", as: Int32.self)
        guard unknown.map({ vocabulary.contains(id: Int($0)) }) ?? true else {
            throw model.error("has the unk_id \(unknown ?? 0) in its model, which is not in the vocabulary of \(vocabulary.count) tokens")
        }
        self.init(vocabulary: vocabulary, scores: scores, unknown: unknown, fallsBackToBytes: try model.value("byte_fallback", default: false))
    }
}

extension BytePairModel {
    fileprivate init(
        _ model: ConfigurationFields, _ vocabulary: Vocabulary, _ merges: [(left: UInt32, right: UInt32, merged: UInt32)], isByteLevel: Bool
    ) throws(ModelFileError) {
        guard try model.value("dropout", default: 0.0) == 0 else {
            throw .unsupported(path: model.path, "has dropout in its model, which is not implemented; set it to null")
        }
        let unknown = try model.optional("unk_token", as: String.self)
        let unknownID = unknown.flatMap { vocabulary.id(of: Array($0.utf8)) }
        if let unknown, unknownID == nil { throw model.error("names the unk_token '\(unknown)', which is not in the vocabulary") }
        self.init(
            vocabulary: vocabulary, merges: merges, ignoresMerges: try model.value("ignore_merges", default: false), isByteLevel: isByteLevel,
            unknown: unknownID.map { UInt32($0) }, fusesUnknown: try model.value("fuse_unk", default: false),
            fallsBackToBytes: try model.value("byte_fallback", default: false),
            continuation: Array(try model.value("continuing_subword_prefix", default: "").utf8),
            ending: Array(try model.value("end_of_word_suffix", default: "").utf8))
    }
}
