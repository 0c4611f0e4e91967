/// Writes values as Python's `json.dumps` does, for the filter `tojson`.
struct TemplateJSON {
    var indent: Int?
    var escapesBeyondASCII = false
    var sortsKeys = false
    var itemSeparator: String
    var keySeparator = ": "
    private var text = ""
    /// Bytes of the text at most.
    private let limit: Int

    init(indent: Int? = nil, limit: Int) {
        self.indent = indent
        self.limit = limit
        itemSeparator = indent == nil ? ", " : ","
    }

    static func text(_ value: TemplateValue, _ options: TemplateJSON) throws(TemplateError) -> String {
        var writer = options
        try writer.write(value, depth: 0)
        return writer.text
    }

    private mutating func write(_ value: TemplateValue, depth: Int) throws(TemplateError) {
        switch value {
        case .none: text += "null"
        case .bool(let value): text += value ? "true" : "false"
        case .integer(let value): text += String(value)
        case .float(let value): text += value.pythonText(notANumber: "NaN", infinity: "Infinity")
        case .string(let string): write(string)
        case .list(let elements), .tuple(let elements):
            text += "["
            for (index, element) in elements.enumerated() {
                try startElement(index, depth: depth)
                try write(element, depth: depth + 1)
            }
            finish("]", isEmpty: elements.isEmpty, depth: depth)
        case .dictionary(let dictionary):
            text += "{"
            for (index, item) in try items(of: dictionary).enumerated() {
                try startElement(index, depth: depth)
                write(item.key)
                text += keySeparator
                try write(item.value, depth: depth + 1)
            }
            finish("}", isEmpty: dictionary.keys.isEmpty, depth: depth)
        case .undefined, .object: throw TemplateError(.failed, "tojson cannot write a value of type \(value.typeName)")
        }
    }

    private func items(of dictionary: TemplateDictionary) throws(TemplateError) -> [(key: String, value: TemplateValue)] {
        var items: [(key: String, value: TemplateValue)] = []
        for (key, value) in dictionary.items {
            switch key {
            case .string(let text): items.append((text, value))
            case .none: items.append(("null", value))
            case .bool(let flag): items.append((flag ? "true" : "false", value))
            case .integer, .float: items.append((key.text, value))
            default: throw TemplateError(.failed, "tojson takes texts and numbers as keys, not \(key.typeName)")
            }
        }
        return sortsKeys ? items.sorted { $0.key.unicodeScalars.lexicographicallyPrecedes($1.key.unicodeScalars) } : items
    }

    private mutating func startElement(_ index: Int, depth: Int) throws(TemplateError) {
        if text.utf8.count > limit { throw TemplateError(.limit, "tojson writes more than \(limit) bytes") }
        if index > 0 { text += itemSeparator }
        breakLine(depth: depth + 1)
    }

    private mutating func finish(_ bracket: String, isEmpty: Bool, depth: Int) {
        if !isEmpty { breakLine(depth: depth) }
        text += bracket
    }

    private mutating func breakLine(depth: Int) {
        if let indent { text += "\n" + String(repeating: " ", count: indent * depth) }
    }

    private mutating func write(_ string: String) {
        text += "\""
        for scalar in string.unicodeScalars {
            switch scalar {
            case "\"": text += "\\\""
            case "\\": text += "\\\\"
            case "\n": text += "\\n"
            case "\r": text += "\\r"
            case "\t": text += "\\t"
            case "\u{08}": text += "\\b"
            case "\u{0c}": text += "\\f"
            case "\u{00}"..<" ": writeEscape(UInt16(scalar.value))
            case _ where escapesBeyondASCII && scalar.value > 0x7e: for unit in UTF16.encode(scalar) ?? .init() { writeEscape(unit) }
            default: text.unicodeScalars.append(scalar)
            }
        }
        text += "\""
    }

    private mutating func writeEscape(_ unit: UInt16) {
        let digits = String(unit, radix: 16)
        text += "\\u\(String(repeating: "0", count: 4 - digits.count))\(digits)"
    }
}
