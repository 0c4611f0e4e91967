extension TemplateValue {
    /// What Python's `str` gives: what is written for `{{ value }}`.
    var text: String {
        switch self {
        case .undefined: ""
        case .string(let text): text
        default: representation
        }
    }

    /// What Python's `repr` gives: the value as it stands inside a list that is written.
    var representation: String {
        switch self {
        case .undefined: "Undefined"
        case .none: "None"
        case .bool(let value): value ? "True" : "False"
        case .integer(let value): String(value)
        case .float(let value): value.pythonText
        case .string(let text): TemplateValue.quoted(text)
        case .list(let elements): "[\(elements.map(\.representation).joined(separator: ", "))]"
        case .tuple(let elements):
            "(\(elements.map(\.representation).joined(separator: ", "))\(elements.count == 1 ? "," : ""))"
        case .dictionary(let dictionary):
            "{\(dictionary.items.map { "\($0.key.representation): \($0.value.representation)" }.joined(separator: ", "))}"
        case .object(let object): "<\(object.typeName)>"
        }
    }

    private static func quoted(_ text: String) -> String {
        let quote: Unicode.Scalar = text.unicodeScalars.contains("'") && !text.unicodeScalars.contains("\"") ? "\"" : "'"
        var result = String.UnicodeScalarView([quote])
        for scalar in text.unicodeScalars {
            switch scalar {
            case quote, "\\": result.append(contentsOf: ["\\", scalar])
            case "\n": result.append(contentsOf: "\\n".unicodeScalars)
            case "\r": result.append(contentsOf: "\\r".unicodeScalars)
            case "\t": result.append(contentsOf: "\\t".unicodeScalars)
            case _ where isPrintable(scalar): result.append(scalar)
            default:
                let (letter, width) = scalar.value < 0x100 ? ("x", 2) : scalar.value < 0x10000 ? ("u", 4) : ("U", 8)
                let digits = String(scalar.value, radix: 16)
                result.append(contentsOf: "\\\(letter)\(String(repeating: "0", count: width - digits.count))\(digits)".unicodeScalars)
            }
        }
        result.append(quote)
        return String(result)
    }

    private static func isPrintable(_ scalar: Unicode.Scalar) -> Bool {
        switch scalar.properties.generalCategory {
        case .control, .format, .surrogate, .privateUse, .unassigned, .lineSeparator, .paragraphSeparator: false
        case .spaceSeparator: scalar == " "
        default: true
        }
    }
}
