/// The components of a tokenizer.json, as it writes them.
struct TokenizerComponentsText {
    var normalizer: JSONValue = nil
    var preTokenizer: JSONValue = nil
    var postProcessor: JSONValue = nil
    var decoder: JSONValue = nil
}

extension TokenizerFile {
    /// A file that is put together from its parts.
    init(
        _ components: TokenizerComponentsText, _ model: JSONObject, _ vocabulary: Vocabulary, scores: [Double]? = nil,
        merges: [(left: UInt32, right: UInt32, merged: UInt32)] = [], added: AddedTokenList
    ) {
        let fields: JSONObject = [
            "version": "1.0", "truncation": nil, "padding": nil, "added_tokens": added.json, "normalizer": components.normalizer,
            "pre_tokenizer": components.preTokenizer, "post_processor": components.postProcessor, "decoder": components.decoder,
        ]
        self.init(fields: fields, model: model, vocabulary: vocabulary, scores: scores, merges: merges)
    }
}
