/// Escapes in a template's strings, which are Python's.
enum StringEscapes {
    private static let short: [Unicode.Scalar: Unicode.Scalar] = [
        "n": "\n", "t": "\t", "r": "\r", "\\": "\\", "'": "'", "\"": "\"", "a": "\u{07}", "b": "\u{08}", "f": "\u{0c}", "v": "\u{0b}",
    ]
    /// Digits behind an escape for a scalar by its number.
    private static let digits: [Unicode.Scalar: Int] = ["x": 2, "u": 4, "U": 8]

    /// What stands between the quotes, escapes resolved; a backslash before anything else stays.
    static func resolved(_ text: ArraySlice<Unicode.Scalar>) throws(TemplateError) -> String {
        var result = String.UnicodeScalarView()
        var rest = text
        while let scalar = rest.popFirst() {
            guard scalar == "\\", let escape = rest.popFirst() else {
                result.append(scalar)
                continue
            }
            if let plain = short[escape] {
                result.append(plain)
            } else if let count = digits[escape] {
                guard rest.count >= count, let number = UInt32(String(String.UnicodeScalarView(rest.prefix(count))), radix: 16),
                    let value = Unicode.Scalar(number)
                else { throw TemplateError(.syntax, "\\\(escape) needs \(count) hexadecimal digits of a character", at: rest.startIndex - 2) }
                rest.removeFirst(count)
                result.append(value)
            } else if ("0"..."7").contains(escape) {
                let octal = [escape] + rest.prefix(2).prefix { ("0"..."7").contains($0) }
                rest.removeFirst(octal.count - 1)
                result.append(UInt32(String(String.UnicodeScalarView(octal)), radix: 8).flatMap(Unicode.Scalar.init) ?? escape)
            } else if escape == "N" {
                throw TemplateError(.unsupported, "\\N{...} is not implemented; use \\u with the character's number", at: rest.startIndex - 2)
            } else if escape != "\n" {
                result.append("\\")
                result.append(escape)
            }
        }
        return String(result)
    }
}
