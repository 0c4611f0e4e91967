/// A template of tokens around texts, written down as a `post_processor`.
struct SpecialTemplate {
    enum Part {
        case special(String, segment: Int = 0)
        case text(String, segment: Int = 0)
    }

    var single: [Part]
    var pair: [Part]

    /// `begin A end`, and the same again for a second text, which is another segment.
    init(begin: String?, end: String?) {
        func around(_ text: String, _ segment: Int) -> [Part] {
            (begin.map { [.special($0, segment: segment)] } ?? []) + [.text(text, segment: segment)]
                + (end.map { [.special($0, segment: segment)] } ?? [])
        }
        single = around("A", 0)
        pair = single + around("B", 1)
    }

    init(single: [Part], pair: [Part]) {
        self.single = single
        self.pair = pair
    }

    /// `[CLS] A [SEP] B [SEP]`, the second text with its end being another segment.
    static func classification(begin: String, end: String) -> SpecialTemplate {
        let single: [Part] = [.special(begin), .text("A"), .special(end)]
        return SpecialTemplate(single: single, pair: single + [.text("B", segment: 1), .special(end, segment: 1)])
    }

    /// As tokenizer.json has it; null when nothing is put around.
    ///
    /// - Throws: when a token is not among `tokens`.
    func json(_ tokens: AddedTokenList, path: String) throws(ModelFileError) -> JSONValue {
        var special = JSONObject()
        for case .special(let content, _) in single + pair {
            guard let id = tokens.id(of: content) else {
                throw .malformed(path: path, "puts the token '\(content)' around text, which is not in the vocabulary")
            }
            special[content] = ["id": .string(content), "ids": [.number(JSONNumber(id))], "tokens": [.string(content)]]
        }
        return [
            "type": "TemplateProcessing", "single": .array(single.map(SpecialTemplate.json)), "pair": .array(pair.map(SpecialTemplate.json)),
            "special_tokens": .object(special),
        ]
    }

    private static func json(_ part: Part) -> JSONValue {
        switch part {
        case .special(let content, let segment): ["SpecialToken": ["id": .string(content), "type_id": .number(JSONNumber(segment))]]
        case .text(let name, let segment): ["Sequence": ["id": .string(name), "type_id": .number(JSONNumber(segment))]]
        }
    }
}
