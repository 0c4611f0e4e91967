extension Interpreter {
    /// Filters that make texts; nil where `name` is none of them. They take any value as the text that would be written for it.
    func textFilter(_ name: String, _ value: TemplateValue, _ arguments: CallArguments) throws(TemplateError) -> TemplateValue? {
        guard Interpreter.textFilters.contains(name) else { return nil }
        return try textFilter(name, on: try text(of: value), arguments)
    }

    private static let textFilters: Set<String> = [
        "upper", "lower", "capitalize", "string", "safe", "title", "trim", "replace", "indent", "center", "format", "escape", "e", "truncate",
        "wordcount",
        "urlencode",
    ]

    private func textFilter(_ name: String, on text: String, _ arguments: CallArguments) throws(TemplateError) -> TemplateValue {
        switch name {
        case "upper", "lower", "capitalize":
            return try TextMethods.call(name, text, arguments, self)
        case "string", "safe": return .string(text)
        case "title": return .string(titled(text))
        case "trim":
            let set = try arguments.bound(name, "chars")[0]
            return .string(text.stripped(try set.map { (set) throws(TemplateError) in try Optional(set).string(name) }))
        case "replace": return try TextMethods.replaced(text, try arguments.bound(name, "old", "new", "count"), self)
        case "indent": return try indented(text, try arguments.bound(name, "width", "first", "blank"))
        case "center":
            let width = max(0, try arguments.bound(name, "width")[0].integer(name, default: 80))
            try checkLength(width)
            return .string(text.padded(to: width, with: " ", left: true, right: true))
        case "format":
            let values: TemplateValue
            if arguments.named.isEmpty {
                values = .tuple(arguments.positional)
            } else {
                var dictionary = TemplateDictionary()
                for (key, value) in arguments.named { dictionary.set(.string(key), to: value) }
                values = .dictionary(dictionary)
            }
            try measure(values)
            return try made(try PercentFormat.text(text, values))
        case "escape", "e":
            let escapes: [Unicode.Scalar: String] = ["&": "&amp;", "<": "&lt;", ">": "&gt;", "'": "&#39;", "\"": "&#34;"]
            return try made(text.unicodeScalars.map { escapes[$0] ?? String($0) }.joined())
        case "truncate": return .string(try truncated(text, try arguments.bound(name, "length", "killwords", "end", "leeway")))
        case "wordcount": return .integer(wordCount(of: text))
        default: return try made(percentEncoded(text))
        }
    }

    /// Words with a large first letter, where words begin behind white space, hyphens and opening brackets.
    private func titled(_ text: String) -> String {
        var result = ""
        var isStart = true
        for scalar in text.unicodeScalars {
            let separates = scalar.isPythonSpace || "-({[<".unicodeScalars.contains(scalar)
            result += separates ? String(scalar) : isStart ? scalar.properties.uppercaseMapping : scalar.properties.lowercaseMapping
            isStart = separates
        }
        return result
    }

    private func indented(_ text: String, _ arguments: [TemplateValue?]) throws(TemplateError) -> TemplateValue {
        let indentation: String
        switch arguments[0] {
        case .string(let text)?: indentation = text
        default:
            let width = try arguments[0].integer("indent", default: 4)
            try checkLength(max(0, width))
            indentation = String(repeating: " ", count: max(0, width))
        }
        let lines = (text + "\n").lines()
        try checkLength(lines.count.multipliedReportingOverflow(by: indentation.utf8.count).partialValue)
        let (indentsFirst, indentsBlank) = (arguments[1].isTrue, arguments[2].isTrue)
        let result = lines.enumerated().map { index, line in
            (index == 0 ? indentsFirst : indentsBlank || !line.isEmpty) ? indentation + line : line
        }
        return try made(result.joined(separator: "\n"))
    }

    private func truncated(_ text: String, _ arguments: [TemplateValue?]) throws(TemplateError) -> String {
        let length = try arguments[0].integer("truncate", default: 255)
        let end = try arguments[2].string("truncate", default: "...")
        let leeway = try arguments[3].integer("truncate", default: 5)
        let room = max(-1, length) - end.unicodeScalars.count
        guard room >= 0, leeway >= 0, leeway <= limits.byteCount, length <= limits.byteCount else {
            throw TemplateError(.failed, "truncate needs a length of at least that of '\(end)', and a leeway from 0")
        }
        guard text.unicodeScalars.count > length + leeway else { return text }
        let kept = String(scalars: text.unicodeScalars.prefix(room))
        if arguments[1].isTrue { return kept + end }
        return kept.split(by: " ", limit: 1, fromRight: true)[0] + end
    }

    private func wordCount(of text: String) -> Int {
        text.unicodeScalars.split { !($0 == "_" || $0.properties.isAlphabetic || $0.properties.numericType != nil) }.count
    }

    private func percentEncoded(_ text: String) -> String {
        text.utf8.map { byte in
            let scalar = Unicode.Scalar(byte)
            let isPlain =
                scalar.isASCII && (scalar.properties.isAlphabetic || scalar.properties.numericType != nil || "-._~/".unicodeScalars.contains(scalar))
            return isPlain ? String(scalar) : "%" + (byte < 16 ? "0" : "") + String(byte, radix: 16, uppercase: true)
        }.joined()
    }
}
