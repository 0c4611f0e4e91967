internal import BitsCore

extension TokenizerComponents {
    /// Largest tokenizer.json accepted, in bytes.
    private static let maximumByteCount = 512 << 20

    init(_ file: MappedFile) throws(ModelFileError) {
        guard file.byteCount <= TokenizerComponents.maximumByteCount else {
            throw .malformed(
                path: file.path, "has \(file.byteCount) bytes; a tokenizer of at most \(TokenizerComponents.maximumByteCount) was expected")
        }
        let bytes = file.bytes(in: 0..<file.byteCount)
        let parts: TokenizerFile
        do { parts = try TokenizerFile(bytes) } catch { throw error.located(in: bytes, path: file.path) }
        let fields = ConfigurationFields(parts.fields, path: file.path)
        let normalizer = try fields.section("normalizer").map { (section) throws(ModelFileError) in try Normalizer(section) } ?? Normalizer()
        let preTokenizer = try fields.section("pre_tokenizer").map { (section) throws(ModelFileError) in try PreTokenizer(section) } ?? PreTokenizer()
        self.init(
            model: try BytePairModel(parts, fields, isByteLevel: preTokenizer.isByteLevel), normalizer: normalizer, preTokenizer: preTokenizer,
            postProcessor: try fields.section("post_processor").map { (section) throws(ModelFileError) in try PostProcessor(section) }
                ?? PostProcessor(),
            decoder: try fields.section("decoder").map { (section) throws(ModelFileError) in try TokenDecoder(section) } ?? TokenDecoder(),
            added: try fields.contains("added_tokens") ? fields.sections("added_tokens").map(AddedTokens.Token.init) : [])
    }
}

extension AddedTokens.Token {
    init(_ fields: ConfigurationFields) throws(ModelFileError) {
        id = try fields.require("id")
        guard id >= 0, id < Vocabulary.maximumID else { throw fields.error("has the added token id \(id), which is out of range") }
        content = try fields.require("content")
        text = Array(content.utf8)
        isSingleWord = try fields.value("single_word", default: false)
        takesLeft = try fields.value("lstrip", default: false)
        takesRight = try fields.value("rstrip", default: false)
        isSpecial = try fields.value("special", default: false)
        isNormalized = try fields.value("normalized", default: !isSpecial)
    }
}

extension BytePairModel {
    init(_ parts: TokenizerFile, _ fields: ConfigurationFields, isByteLevel: Bool) throws(ModelFileError) {
        guard parts.hasModel else { throw fields.error("has no 'model'; a tokenizer.json of Hugging Face's tokenizers was expected") }
        let model = ConfigurationFields(parts.model, path: fields.path)
        let type = try model.value("type", default: "BPE")
        guard type == "BPE", let vocabulary = parts.vocabulary else { throw fields.unsupportedComponent("model", type) }
        for key in ["continuing_subword_prefix", "end_of_word_suffix"] where try !model.value(key, default: "").isEmpty {
            throw .unsupported(path: fields.path, "has a \(key) in its model, which is not implemented")
        }
        guard try model.value("dropout", default: 0.0) == 0 else {
            throw .unsupported(path: fields.path, "has dropout in its model, which is not implemented; set it to null")
        }
        let unknown = try model.optional("unk_token", as: String.self)
        let unknownID = unknown.flatMap { vocabulary.id(of: Array($0.utf8)) }
        if let unknown, unknownID == nil { throw fields.error("names the unk_token '\(unknown)', which is not in the vocabulary") }
        self.init(
            vocabulary: vocabulary, merges: parts.merges, ignoresMerges: try model.value("ignore_merges", default: false), isByteLevel: isByteLevel,
            unknown: unknownID.map { UInt32($0) }, fusesUnknown: try model.value("fuse_unk", default: false),
            fallsBackToBytes: try model.value("byte_fallback", default: false))
    }
}
