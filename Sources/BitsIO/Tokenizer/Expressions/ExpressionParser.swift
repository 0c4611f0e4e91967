/// Reads a regular expression as Oniguruma does in its Ruby syntax, which is that of tokenizer files.
struct ExpressionParser {
    /// Longest expression accepted, in characters, and how deep groups may lie in each other.
    private static let maximumLength = 1 << 16
    static let maximumDepth = 200
    /// Most repetitions that may be asked for.
    private static let maximumCount = 1000

    struct Options {
        var ignoresCase = false
        /// Whether the full stop matches line feeds.
        var matchesLines = false
        /// Whether spaces and comments are left out.
        var isSpaced = false
    }

    let scalars: [Unicode.Scalar]
    var position = 0
    var options = Options()
    var depth = 0

    static func tree(_ expression: String) throws(ExpressionError) -> ExpressionTree {
        var parser = ExpressionParser(scalars: Array(expression.unicodeScalars))
        guard parser.scalars.count <= maximumLength else { throw ExpressionError(0, "more than \(maximumLength) characters") }
        let tree = try parser.alternatives()
        guard parser.position == parser.scalars.count else { throw parser.error("a closing parenthesis without an opening one") }
        return try tree.resolved()
    }

    func error(_ reason: String, at position: Int? = nil) -> ExpressionError { ExpressionError(position ?? self.position, reason) }

    func peek(_ offset: Int = 0) -> Unicode.Scalar? { position + offset < scalars.count ? scalars[position + offset] : nil }

    /// Moves past `text`, if it is next.
    mutating func take(_ text: String) -> Bool {
        guard scalars[position...].starts(with: text.unicodeScalars) else { return false }
        position += text.unicodeScalars.count
        return true
    }

    /// Moves past what satisfies the condition.
    mutating func takeAll(atMost count: Int = .max, _ condition: (Unicode.Scalar) -> Bool) -> String {
        var text = String.UnicodeScalarView()
        while text.count < count, let scalar = peek(), condition(scalar) {
            text.append(scalar)
            position += 1
        }
        return String(text)
    }

    /// What stands between here and a closing parenthesis or the end.
    private mutating func alternatives() throws(ExpressionError) -> ExpressionTree {
        depth += 1
        defer { depth -= 1 }
        guard depth <= ExpressionParser.maximumDepth else { throw error("groups more than \(ExpressionParser.maximumDepth) deep") }
        let outer = options
        defer { options = outer }
        var choices = [[ExpressionTree]]()
        var parts = [ExpressionTree]()
        while let scalar = peek(), scalar != ")" {
            if take("|") {
                choices.append(parts)
                parts = []
            } else if let part = try piece() {
                parts.append(part)
            }
        }
        choices.append(parts)
        return choices.count == 1 ? .sequence(parts) : .choice(choices.map { .sequence($0) })
    }

    /// One item with its repeats; nil for what stands for nothing.
    private mutating func piece() throws(ExpressionError) -> ExpressionTree? {
        let start = position
        guard var tree = try item() else { return nil }
        while let repeated = try repeats(tree, from: start) { tree = repeated }
        return tree
    }

    private mutating func item() throws(ExpressionError) -> ExpressionTree? {
        let start = position
        switch scalars[position] {
        case "(": return try group()
        case "[": return .set(try bracketedSet())
        case ".":
            position += 1
            return .set(options.matchesLines ? .all : ScalarSet(0x0a).inverted)
        case "^":
            position += 1
            return .choice([
                .previous(ScalarSet(), orStart: true), .sequence([.previous(ScalarSet(0x0a), orStart: false), .next(.all, orEnd: false)]),
            ])
        case "$":
            position += 1
            return .next(ScalarSet(0x0a), orEnd: true)
        case "*", "+", "?": throw error("a repeat of nothing")
        case "\\": return try escape()
        case let scalar where options.isSpaced && scalar.isASCII && scalar.properties.isWhitespace:
            position += 1
            return nil
        case "#" where options.isSpaced:
            _ = takeAll { $0 != "\n" }
            return nil
        case let scalar:
            position += 1
            return .set(literal(scalar.value, at: start))
        }
    }

    /// A character, with its other cases where these do not count.
    func literal(_ value: UInt32, at position: Int) -> ScalarSet { options.ignoresCase ? ScalarSet(value).ignoringCase : ScalarSet(value) }

    private mutating func repeats(_ tree: ExpressionTree, from start: Int) throws(ExpressionError) -> ExpressionTree? {
        let place = position
        let bounds: (minimum: Int, maximum: Int?)
        var isInterval = false
        if take("*") {
            bounds = (0, nil)
        } else if take("+") {
            bounds = (1, nil)
        } else if take("?") {
            bounds = (0, 1)
        } else if let interval = try interval() {
            bounds = interval
            isInterval = true
        } else {
            return nil
        }
        let isFixed = isInterval && bounds.minimum == bounds.maximum
        let greedy = ExpressionTree.repeated(tree, minimum: bounds.minimum, maximum: bounds.maximum, isLazy: false)
        // After `{n}` a question mark makes all of it optional, and after any interval a plus sign is a repeat of its own.
        if !isFixed, take("?") { return .repeated(tree, minimum: bounds.minimum, maximum: bounds.maximum, isLazy: true) }
        return !isInterval && take("+") ? .atomic(greedy, position: place) : greedy
    }

    /// `{n}`, `{n,}`, `{,m}` or `{n,m}`; nil for a brace that stands for itself.
    private mutating func interval() throws(ExpressionError) -> (minimum: Int, maximum: Int?)? {
        let start = position
        guard take("{") else { return nil }
        let low = takeAll { ("0"..."9").contains($0) }
        let hasComma = take(",")
        let high = hasComma ? takeAll { ("0"..."9").contains($0) } : low
        guard !(low.isEmpty && high.isEmpty), take("}") else {
            position = start
            return nil
        }
        let bounds = (minimum: low.isEmpty ? 0 : Int(low) ?? .max, maximum: high.isEmpty ? nil : Int(high) ?? .max)
        guard max(bounds.minimum, bounds.maximum ?? 0) <= ExpressionParser.maximumCount, bounds.minimum <= bounds.maximum ?? .max else {
            throw error(
                "a repeat of \(low) to \(high) times; at most \(ExpressionParser.maximumCount), the smaller number first, was expected", at: start)
        }
        return bounds
    }

    private mutating func group() throws(ExpressionError) -> ExpressionTree? {
        let start = position
        position += 1
        guard take("?") else { return try closed(start) }
        if take(":") { return try closed(start) }
        if take("=") { return .ahead(try closed(start), isNegative: false) }
        if take("!") { return .ahead(try closed(start), isNegative: true) }
        if take(">") { return .atomic(try closed(start), position: start) }
        if take("#") {
            _ = takeAll { $0 != ")" }
            guard take(")") else { throw error("a comment without an end", at: start) }
            return nil
        }
        for (opening, isNegative) in [("<=", false), ("<!", true)] where take(opening) {
            guard let set = try closed(start).single else { throw error("a look behind of more than one character", at: start) }
            return .previous(isNegative ? set.inverted : set, orStart: isNegative)
        }
        if take("<") {
            let name = takeAll { $0 != ">" && $0 != ")" }
            guard !name.isEmpty, take(">") else { throw error("a group of an unknown kind", at: start) }
            return try closed(start)
        }
        return try optionGroup(start)
    }

    /// The rest of a group, to its closing parenthesis.
    private mutating func closed(_ start: Int) throws(ExpressionError) -> ExpressionTree {
        let tree = try alternatives()
        guard take(")") else { throw error("a group without an end", at: start) }
        return tree
    }

    /// `i`, `m` and `x` switched on or off, for a group or for what follows.
    private mutating func optionGroup(_ start: Int) throws(ExpressionError) -> ExpressionTree? {
        let outer = options
        var isOn = true
        while let scalar = peek(), scalar != ":", scalar != ")" {
            switch scalar {
            case "-": isOn = false
            case "i": options.ignoresCase = isOn
            case "m": options.matchesLines = isOn
            case "x": options.isSpaced = isOn
            default: throw error("a group of an unknown kind", at: start)
            }
            position += 1
        }
        if take(":") {
            defer { options = outer }
            return try closed(start)
        }
        guard take(")") else { throw error("a group without an end", at: start) }
        // What follows, to the end of the group around, with its alternatives too.
        let rest = try alternatives()
        options = outer
        return rest
    }
}
