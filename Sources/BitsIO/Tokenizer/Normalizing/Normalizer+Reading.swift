extension Normalizer {
    private static let known = [
        "BertNormalizer", "ByteLevel", "Lowercase", "NFC", "NFD", "NFKC", "NFKD", "Nmt", "Precompiled", "Prepend", "Replace", "Sequence", "Strip",
        "StripAccents",
    ]

    init(_ fields: ConfigurationFields) throws(ModelFileError) {
        self.init(try Normalizer.steps(fields))
        guard !growsTooMuch else {
            throw .unsupported(
                path: fields.path,
                "has a normalizer that makes hundreds of bytes of one, so that a short prompt would fill the memory; "
                    + "use the tokenizer that belongs to the model")
        }
    }

    private static func steps(_ fields: ConfigurationFields) throws(ModelFileError) -> [Step] {
        let type = try fields.require("type", as: String.self)
        if let form = NormalizationForm(rawValue: type) { return [.form(form)] }
        switch type {
        case "Sequence":
            var steps = [Step]()
            for part in try fields.sections("normalizers") { steps += try Normalizer.steps(part) }
            return steps
        case "Prepend": return [.prepend(Array(try fields.require("prepend", as: String.self).utf8))]
        case "Replace": return [.replace(try TextReplacement(fields, "normalizer 'Replace'"))]
        case "Strip": return [.stripped(left: try fields.value("strip_left", default: true), right: try fields.value("strip_right", default: true))]
        case "StripAccents": return [.withoutAccents]
        case "Lowercase": return [.lowercased]
        case "Nmt": return [.cleanedForTranslation]
        case "ByteLevel": return [.byteLevel]
        case "BertNormalizer":
            let lowercases = try fields.value("lowercase", default: true)
            return [
                .cleanedForBert(
                    BertCleaning(
                        cleansText: try fields.value("clean_text", default: true),
                        spacesIdeographs: try fields.value("handle_chinese_chars", default: true),
                        // Unless told, what loses its capitals loses its accents.
                        stripsAccents: try fields.value("strip_accents", default: lowercases), lowercases: lowercases))
            ]
        case "Precompiled":
            let text = try fields.require("precompiled_charsmap", as: String.self)
            guard let bytes = Base64.decode(Array(text.utf8)[...]), let map = CharacterMap(bytes) else {
                throw fields.error("has a precompiled_charsmap that is damaged; a table of SentencePiece in base64 was expected")
            }
            return [.mapped(map)]
        default: throw fields.unsupportedComponent("normalizer", type, known: known)
        }
    }
}

extension ConfigurationFields {
    func unsupportedComponent(_ kind: String, _ type: String, known: [String]) -> ModelFileError {
        .unsupported(path: path, "has the \(kind) '\(type)', which is not implemented; known are \(known.joined(separator: ", "))")
    }
}
