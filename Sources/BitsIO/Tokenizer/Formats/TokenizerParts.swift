/// The components of tokenizer.json, written down for vocabularies that come without one.
enum TokenizerParts {
    static let mark = "▁"

    /// Byte pairs of bytes, of which a piece that is a token as a whole needs none.
    static let bytePairs: JSONObject = [
        "type": "BPE", "dropout": nil, "unk_token": nil, "continuing_subword_prefix": nil, "end_of_word_suffix": nil, "fuse_unk": false,
        "byte_fallback": false, "ignore_merges": true,
    ]

    static func sequence(_ key: String, _ parts: [JSONValue]) -> JSONValue {
        parts.isEmpty ? nil : parts.count == 1 ? parts[0] : ["type": "Sequence", .init(key): .array(parts)]
    }

    static func replace(_ pattern: String, with content: String, isExpression: Bool = false) -> JSONValue {
        ["type": "Replace", "pattern": isExpression ? ["Regex": .string(pattern)] : ["String": .string(pattern)], "content": .string(content)]
    }

    static func metaspace(_ scheme: String, splits: Bool) -> JSONValue {
        ["type": "Metaspace", "replacement": .string(mark), "prepend_scheme": .string(scheme), "split": .bool(splits)]
    }

    static func byteLevel(splits: Bool = true, addsPrefixSpace: Bool = false) -> JSONValue {
        ["type": "ByteLevel", "add_prefix_space": .bool(addsPrefixSpace), "trim_offsets": true, "use_regex": .bool(splits)]
    }

    static func split(_ expression: String) -> JSONValue {
        ["type": "Split", "pattern": ["Regex": .string(expression)], "behavior": "Isolated", "invert": false]
    }

    /// Marks as spaces, tokens like `<0x0A>` as bytes, and no space before the first word where one was put there.
    static func markedDecoder(dropsFirst: Bool) -> JSONValue {
        let first: [JSONValue] = dropsFirst ? [["type": "Strip", "content": " ", "start": 1, "stop": 0]] : []
        return sequence("decoders", [replace(mark, with: " "), ["type": "ByteFallback"], ["type": "Fuse"]] + first)
    }
}
