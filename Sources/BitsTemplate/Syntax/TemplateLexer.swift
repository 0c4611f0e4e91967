/// Cuts a template into tokens, with the settings that chat templates are written for: the line end after a block is dropped (`trim_blocks`), and so are
/// the spaces before a block that begins a line (`lstrip_blocks`); `-` strips all white space on its side, `+` keeps it.
struct TemplateLexer {
    private let source: [Unicode.Scalar]
    private var position = 0
    private var tokens: [TemplateToken] = []
    /// Whether the text that comes next begins a line.
    private var isAtLineStart = true
    /// The brackets that are open inside a tag, by what closes them.
    private var open: [Unicode.Scalar] = []

    private init(_ source: [Unicode.Scalar]) { self.source = source }

    /// The template's text as it is read: line ends as `\n`, and without the last one.
    static func normalized(_ text: String) -> [Unicode.Scalar] {
        var result = [Unicode.Scalar]()
        var isAfterReturn = false
        for scalar in text.unicodeScalars {
            if !(scalar == "\n" && isAfterReturn) { result.append(scalar == "\r" ? "\n" : scalar) }
            isAfterReturn = scalar == "\r"
        }
        if result.last == "\n" { result.removeLast() }
        return result
    }

    /// - Parameter source: as ``normalized(_:)`` gives it.
    static func tokens(of source: [Unicode.Scalar]) throws(TemplateError) -> [TemplateToken] {
        var lexer = TemplateLexer(source)
        while lexer.position < source.count { try lexer.readText() }
        lexer.append(.end, at: source.count)
        return lexer.tokens
    }

    private mutating func append(_ kind: TemplateToken.Kind, at offset: Int) { tokens.append(TemplateToken(kind: kind, offset: offset)) }

    private func text(_ range: Range<Int>) -> String { String(String.UnicodeScalarView(source[range])) }

    private func has(_ word: String, at position: Int) -> Bool { source[min(position, source.count)...].starts(with: word.unicodeScalars) }

    // MARK: Between tags

    private enum Tag {
        case output, block, comment, raw
    }

    /// Reads up to the next tag, and the tag.
    private mutating func readText() throws(TemplateError) {
        let start = position
        guard
            let begin = source[start...].indices.first(where: {
                source[$0] == "{" && $0 + 1 < source.count && "{%#".unicodeScalars.contains(source[$0 + 1])
            })
        else {
            position = source.count
            return append(.text(text(start..<position)), at: start)
        }
        position = begin + 2
        let sign = takeSign()
        let raw = source[begin + 1] == "%" ? rawTagEnd(from: position) : nil
        let tag: Tag = raw != nil ? .raw : source[begin + 1] == "{" ? .output : source[begin + 1] == "%" ? .block : .comment
        appendText(start..<begin, sign: sign, isBeforeOutput: tag == .output)
        switch tag {
        case .comment: try skipComment(from: begin)
        case .raw: try readRaw(from: raw ?? position, tag: begin)
        case .output, .block: try readTag(tag, from: begin)
        }
    }

    private mutating func takeSign() -> Unicode.Scalar? {
        guard position < source.count, source[position] == "-" || source[position] == "+" else { return nil }
        position += 1
        return source[position - 1]
    }

    /// Writes what stands before a tag that begins with `sign`.
    private mutating func appendText(_ range: Range<Int>, sign: Unicode.Scalar?, isBeforeOutput: Bool) {
        var end = range.upperBound
        if sign == "-" {
            while end > range.lowerBound, source[end - 1].isPythonSpace { end -= 1 }
        } else if sign == nil && !isBeforeOutput {
            let line = source[range].lastIndex(of: "\n").map { $0 + 1 } ?? range.lowerBound
            let beginsLine = line > range.lowerBound || isAtLineStart
            if beginsLine && source[line..<end].allSatisfy(\.isPythonSpace) { end = line }
        }
        if range.lowerBound < end { append(.text(text(range.lowerBound..<end)), at: range.lowerBound) }
    }

    /// Goes past a closing tag of two scalars, and past what its sign and the settings drop behind it.
    private mutating func passEnd(sign: Unicode.Scalar?, dropsLineEnd: Bool) {
        position += sign == nil ? 2 : 3
        if sign == "-" {
            while position < source.count, source[position].isPythonSpace { position += 1 }
        } else if sign == nil && dropsLineEnd && position < source.count && source[position] == "\n" {
            position += 1
        }
        isAtLineStart = source[position - 1] == "\n"
    }

    private struct Closing {
        var sign: Unicode.Scalar?
    }

    /// The closing tag at the position; nil where there is none.
    private func closing(_ tag: String, signs: String) -> Closing? {
        if has(tag, at: position) { return Closing() }
        guard position < source.count, signs.unicodeScalars.contains(source[position]), has(tag, at: position + 1) else { return nil }
        return Closing(sign: source[position])
    }

    private mutating func skipComment(from begin: Int) throws(TemplateError) {
        while position < source.count {
            if let end = closing("#}", signs: "+-") { return passEnd(sign: end.sign, dropsLineEnd: true) }
            position += 1
        }
        throw TemplateError(.syntax, "a comment has no end; '#}' was expected", at: begin)
    }

    // MARK: Raw text

    /// Where the text begins behind `{% raw %}`, if its `raw` stands at `position`.
    private func rawTagEnd(from position: Int) -> Int? {
        guard let end = wordEnd("raw", from: position) else { return nil }
        var after = end
        if has("-%}", at: after) {
            after += 3
            while after < source.count, source[after].isPythonSpace { after += 1 }
            return after
        }
        return has("%}", at: after) ? after + 2 : nil
    }

    private func wordEnd(_ word: String, from position: Int) -> Int? {
        var position = position
        while position < source.count, source[position].isPythonSpace { position += 1 }
        guard has(word, at: position) else { return nil }
        position += word.unicodeScalars.count
        while position < source.count, source[position].isPythonSpace { position += 1 }
        return position
    }

    private mutating func readRaw(from start: Int, tag: Int) throws(TemplateError) {
        isAtLineStart = source[start - 1] == "\n"
        position = start
        while position < source.count {
            let begin = position
            if has("{%", at: begin) {
                position += 2
                let sign = takeSign()
                if let end = wordEnd("endraw", from: position) {
                    position = end
                    if let end = closing("%}", signs: "+-") {
                        appendText(start..<begin, sign: sign, isBeforeOutput: false)
                        return passEnd(sign: end.sign, dropsLineEnd: true)
                    }
                }
            }
            position = begin + 1
        }
        throw TemplateError(.syntax, "'{% raw %}' has no end; '{% endraw %}' was expected", at: tag)
    }

    // MARK: Inside tags

    private mutating func readTag(_ tag: Tag, from begin: Int) throws(TemplateError) {
        let isOutput = tag == .output
        append(isOutput ? .outputBegin : .blockBegin, at: begin)
        open = []
        while true {
            while position < source.count, source[position].isPythonSpace { position += 1 }
            guard position < source.count else {
                throw TemplateError(.syntax, "a tag has no end; '\(isOutput ? "}}" : "%}")' was expected", at: begin)
            }
            if open.isEmpty, let end = isOutput ? closing("}}", signs: "-") : closing("%}", signs: "+-") {
                append(isOutput ? .outputEnd : .blockEnd, at: position)
                return passEnd(sign: end.sign, dropsLineEnd: !isOutput)
            }
            try readToken()
        }
    }

    private mutating func readToken() throws(TemplateError) {
        let scalar = source[position]
        switch scalar {
        case "0"..."9": try readNumber()
        case "'", "\"": try readString(scalar)
        case _ where scalar == "_" || scalar.properties.isIDStart:
            let start = position
            while position < source.count, source[position] == "_" || source[position].properties.isIDContinue { position += 1 }
            append(.name(text(start..<position)), at: start)
        default: try readSymbol()
        }
    }

    private static let symbols = [
        "//", "**", "==", "!=", ">=", "<=", "+", "-", "/", "*", "%", "~", "[", "]", "(", ")", "{", "}", ">", "<", "=", ".", ":", "|", ",", ";",
    ]

    private mutating func readSymbol() throws(TemplateError) {
        guard let symbol = TemplateLexer.symbols.first(where: { has($0, at: position) }) else {
            throw TemplateError(.syntax, "'\(source[position])' means nothing here", at: position)
        }
        switch symbol {
        case "(": open.append(")")
        case "[": open.append("]")
        case "{": open.append("}")
        case ")", "]", "}":
            let expected = open.popLast()
            guard expected == source[position] else {
                throw TemplateError(.syntax, "'\(symbol)' closes nothing\(expected.map { "; '\($0)' was expected" } ?? "")", at: position)
            }
        default: break
        }
        append(.symbol(symbol), at: position)
        position += symbol.unicodeScalars.count
    }

    private mutating func readNumber() throws(TemplateError) {
        let start = position
        var isFloat = false
        func isDigit(_ position: Int) -> Bool { position < source.count && ("0"..."9").contains(source[position]) }
        func skipDigits(_ position: inout Int) {
            while isDigit(position) || position < source.count && source[position] == "_" && isDigit(position + 1) { position += 1 }
        }
        skipDigits(&position)
        // In `a.0.1` the dots ask for elements.
        if start == 0 || source[start - 1] != "." {
            if position < source.count, source[position] == ".", isDigit(position + 1) {
                isFloat = true
                position += 1
                skipDigits(&position)
            }
            if position < source.count, source[position] == "e" || source[position] == "E" {
                let signed = position + 1 < source.count && (source[position + 1] == "+" || source[position + 1] == "-")
                if isDigit(position + (signed ? 2 : 1)) {
                    isFloat = true
                    position += signed ? 2 : 1
                    skipDigits(&position)
                }
            }
        }
        let digits = text(start..<position).filter { $0 != "_" }
        if isFloat, let value = Double(digits) { return append(.float(value), at: start) }
        guard let value = Int(digits) else { throw TemplateError(.unsupported, "the number \(digits) has more than 64 bits", at: start) }
        append(.integer(value), at: start)
    }

    private mutating func readString(_ quote: Unicode.Scalar) throws(TemplateError) {
        let start = position
        position += 1
        while position < source.count, source[position] != quote { position += source[position] == "\\" ? 2 : 1 }
        guard position < source.count else { throw TemplateError(.syntax, "a string has no end; '\(quote)' was expected", at: start) }
        append(.string(try StringEscapes.resolved(source[start + 1..<position])), at: start)
        position += 1
    }
}
