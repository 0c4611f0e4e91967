extension JSONValue {
    /// The text that Python's `json.dumps` gives with its defaults: `{"a": [1, 2.0]}`.
    public var compactText: String {
        var writer = JSONWriter(indent: nil)
        writer.write(self)
        return String(decoding: writer.bytes, as: UTF8.self)
    }

    /// The text that Python's `json.dumps(indent=2)` gives, without a final newline.
    public var indentedText: String {
        var writer = JSONWriter(indent: 2)
        writer.write(self)
        return String(decoding: writer.bytes, as: UTF8.self)
    }

    /// What a configuration file holds: indented, with a final newline.
    public var fileBytes: [UInt8] { Array(indentedText.utf8) + [0x0a] }
}

/// Writes JSON as Python does: characters beyond ASCII as escapes, empty containers closed at once.
struct JSONWriter {
    let indent: Int?
    private(set) var bytes: [UInt8] = []

    init(indent: Int?) { self.indent = indent }

    mutating func write(_ value: JSONValue, depth: Int = 0) {
        switch value {
        case .null: append("null")
        case .bool(let value): append(value ? "true" : "false")
        case .number(let number): append(number.text)
        case .string(let text): writeString(text)
        case .array(let elements):
            writeContainer("[", "]", elements, depth) { writer, element in writer.write(element, depth: depth + 1) }
        case .object(let object):
            writeContainer("{", "}", object.keys, depth) { writer, key in
                writer.writeString(key)
                writer.append(": ")
                writer.write(object[key] ?? .null, depth: depth + 1)
            }
        }
    }

    private mutating func append(_ text: String) { bytes.append(contentsOf: text.utf8) }

    private mutating func writeContainer<T>(
        _ opening: String, _ closing: String, _ elements: [T], _ depth: Int, _ body: (inout JSONWriter, T) -> Void
    ) {
        append(opening)
        for (index, element) in elements.enumerated() {
            if let indent {
                append(index == 0 ? "\n" : ",\n")
                append(String(repeating: " ", count: indent * (depth + 1)))
            } else if index > 0 {
                append(", ")
            }
            body(&self, element)
        }
        if let indent, !elements.isEmpty {
            append("\n")
            append(String(repeating: " ", count: indent * depth))
        }
        append(closing)
    }

    private mutating func writeString(_ text: String) {
        append("\"")
        for unit in text.utf16 {
            switch unit {
            case 0x22: append("\\\"")
            case 0x5c: append("\\\\")
            case 0x08: append("\\b")
            case 0x0c: append("\\f")
            case 0x0a: append("\\n")
            case 0x0d: append("\\r")
            case 0x09: append("\\t")
            case 0x20..<0x7f: bytes.append(UInt8(unit))
            default:
                let digits = String(unit, radix: 16)
                append("\\u\(String(repeating: "0", count: 4 - digits.count))\(digits)")
            }
        }
        append("\"")
    }
}
