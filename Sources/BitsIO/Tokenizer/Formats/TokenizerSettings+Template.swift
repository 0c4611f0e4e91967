extension TokenizerSettings {
    /// What is put around texts: what the family does, else the begin and end marks that the files ask for.
    ///
    /// - Parameter marks: their names where the files ask for them and do not name them.
    func template(default family: TokenizerFamily, marks: (begin: String, end: String)? = nil) throws(ModelFileError) -> SpecialTemplate {
        func name(_ key: String, _ fallback: String) throws(ModelFileError) -> String { try special(key) ?? fallback }
        switch family {
        case .bert, .debertaV2: return .classification(begin: try name("cls_token", "[CLS]"), end: try name("sep_token", "[SEP]"))
        case .t5:
            let end = try name("eos_token", "</s>")
            return SpecialTemplate(single: [.text("A"), .special(end)], pair: [.text("A"), .special(end), .text("B"), .special(end)])
        case .xlmRoberta, .roberta:
            let (begin, end) = (try name("cls_token", "<s>"), try name("sep_token", "</s>"))
            let single: [SpecialTemplate.Part] = [.special(begin), .text("A"), .special(end)]
            return SpecialTemplate(single: single, pair: single + [.special(end), .text("B"), .special(end)])
        case .sentencePiece, .llama, .gemma, .gpt2, .qwen2:
            let begin = try fields.value("add_bos_token", default: false) ? special("bos_token") ?? marks?.begin : nil
            let end = try fields.value("add_eos_token", default: false) ? special("eos_token") ?? marks?.end : nil
            return SpecialTemplate(begin: begin, end: end)
        }
    }
}
