internal import BitsCore

extension TokenizerComponents {
    /// - Parameters:
    ///   - parts: what the file holds.
    ///   - path: names it in errors.
    init(_ parts: TokenizerFile, path: String) throws(ModelFileError) {
        let fields = ConfigurationFields(parts.fields, path: path)
        let normalizer = try fields.section("normalizer").map { (section) throws(ModelFileError) in try Normalizer(section) } ?? Normalizer()
        let preTokenizer = try fields.section("pre_tokenizer").map { (section) throws(ModelFileError) in try PreTokenizer(section) } ?? PreTokenizer()
        let model = try parts.tokenModel(fields, isByteLevel: preTokenizer.isByteLevel)
        self.init(
            model: model, normalizer: normalizer, preTokenizer: model is BytePairModel ? preTokenizer : preTokenizer.writingAlphabet,
            postProcessor: try fields.section("post_processor").map { (section) throws(ModelFileError) in try PostProcessor(section) }
                ?? PostProcessor(),
            decoder: try fields.section("decoder").map { (section) throws(ModelFileError) in try TokenDecoder(section) } ?? TokenDecoder(),
            truncation: try fields.section("truncation").map { (section) throws(ModelFileError) in try TruncationRule(section) },
            padding: try fields.section("padding").map { (section) throws(ModelFileError) in try PaddingRule(section) },
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
