extension TokenizerFile {
    /// The JSON text of a tokenizer.json, with all fields that were read.
    var json: [UInt8] {
        var entries = [[UInt8]]()
        if let vocabulary { entries.append(Array(#""vocab": "#.utf8) + (scores.map { list(of: vocabulary, $0) } ?? object(of: vocabulary))) }
        if let vocabulary, hasMerges { entries.append(Array(#""merges": "#.utf8) + list(ofMerges: vocabulary)) }
        let model = TokenizerFile.object(self.model, entries)
        return TokenizerFile.object(fields, hasModel ? [Array(#""model": "#.utf8) + model] : [])
    }

    /// The text of an object with further entries behind its own.
    ///
    /// Tokens are written as bytes: as keys of a dictionary, those that Unicode holds to be the same text would be one.
    private static func object(_ fields: JSONObject, _ more: [[UInt8]]) -> [UInt8] {
        let own = JSONValue.object(fields).compactText.utf8.dropFirst().dropLast()
        return joined((fields.isEmpty ? [] : [Array(own)]) + more, "{", "}")
    }

    private static func joined(_ entries: [[UInt8]], _ opening: String, _ closing: String) -> [UInt8] {
        Array(opening.utf8) + entries.joined(separator: ", ".utf8) + Array(closing.utf8)
    }

    private func object(of vocabulary: Vocabulary) -> [UInt8] {
        let ids = (0..<vocabulary.upperBound).filter { vocabulary.contains(id: $0) }
        return TokenizerFile.joined(ids.map { quoted($0, vocabulary) + Array(": \($0)".utf8) }, "{", "}")
    }

    private func list(of vocabulary: Vocabulary, _ scores: [Double]) -> [UInt8] {
        let entries = scores.indices.map { id in
            TokenizerFile.joined([quoted(id, vocabulary), Array(JSONNumber(scores[id]).text.utf8)], "[", "]")
        }
        return TokenizerFile.joined(entries, "[", "]")
    }

    private func list(ofMerges vocabulary: Vocabulary) -> [UInt8] {
        let entries = merges.map { merge in
            TokenizerFile.joined([quoted(Int(merge.left), vocabulary), quoted(Int(merge.right), vocabulary)], "[", "]")
        }
        return TokenizerFile.joined(entries, "[", "]")
    }

    /// A token as a string in UTF-8, as tokenizers writes it: with escapes the file would be twice as long, and take twice the time to read.
    private func quoted(_ id: Int, _ vocabulary: Vocabulary) -> [UInt8] {
        vocabulary.withText(of: id) { text in
            var result = [UInt8(ascii: "\"")]
            for index in text.indices {
                switch text[index] {
                case 0..<0x10: result += Array("\\u000\(String(text[index], radix: 16))".utf8)
                case 0x10..<0x20: result += Array("\\u00\(String(text[index], radix: 16))".utf8)
                case UInt8(ascii: "\""), UInt8(ascii: "\\"): result += [UInt8(ascii: "\\"), text[index]]
                default: result.append(text[index])
                }
            }
            return result + [UInt8(ascii: "\"")]
        }
    }
}
