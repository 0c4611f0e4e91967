extension TemplateParser {
    /// How tightly arithmetic binds; `~` stands between sums and products.
    private static let precedence = ["+": 1, "-": 1, "~": 2, "*": 3, "/": 3, "//": 3, "%": 3, "**": 4]
    private static let comparisons: Set<String> = ["==", "!=", "<", ">", "<=", ">="]
    /// Words that end an expression rather than begin one.
    private static let joining: Set<String> = ["else", "or", "and"]
    /// Operators, and attributes, calls and filters, that may follow each other on one operand.
    private static let longestChain = 1000
    private static let deepestChain = 100

    /// Reads one expression, or several with commas, which are a tuple.
    ///
    /// - Parameters:
    ///   - allowsCondition: whether `a if b else c` is one.
    ///   - word: a name that ends it.
    mutating func tupleOrExpression(allowsCondition: Bool = true, endingAt word: String? = nil) throws(TemplateError) -> Expression {
        let offset = current.offset
        let first = try allowsCondition ? expression() : disjunction()
        guard current.kind == .symbol(",") else { return first }
        var elements = [first]
        while takes(.symbol(",")) {
            if current.kind == .outputEnd || current.kind == .blockEnd || current.kind == .symbol(")") { break }
            if let word, current.kind == .name(word) { break }
            elements.append(try allowsCondition ? expression() : disjunction())
        }
        return Expression(kind: .tuple(elements), offset: offset)
    }

    /// Reads `a if b else c`, or what binds tighter.
    mutating func expression() throws(TemplateError) -> Expression {
        try nested { (parser) throws(TemplateError) in
            var result = try parser.disjunction()
            var length = 0
            while parser.takes(.name("if")) {
                length += 1
                try parser.checkChain(length)
                let condition = try parser.disjunction()
                let otherwise = parser.takes(.name("else")) ? try parser.expression() : nil
                result = Expression(kind: .conditional(result, condition: condition, otherwise: otherwise), offset: result.offset)
            }
            return result
        }
    }

    private mutating func disjunction() throws(TemplateError) -> Expression {
        let first = try conjunction()
        guard current.kind == .name("or") else { return first }
        var operands = [first]
        while takes(.name("or")) { operands.append(try conjunction()) }
        return Expression(kind: .or(operands), offset: first.offset)
    }

    private mutating func conjunction() throws(TemplateError) -> Expression {
        let first = try negation()
        guard current.kind == .name("and") else { return first }
        var operands = [first]
        while takes(.name("and")) { operands.append(try negation()) }
        return Expression(kind: .and(operands), offset: first.offset)
    }

    private mutating func negation() throws(TemplateError) -> Expression {
        let offset = current.offset
        var isNegated = false
        var isNot = false
        while takes(.name("not")) {
            isNegated.toggle()
            isNot = true
        }
        let operand = try comparison()
        guard isNot else { return operand }
        let negated = Expression(kind: .not(operand), offset: offset)
        return isNegated ? negated : Expression(kind: .not(negated), offset: offset)
    }

    private mutating func comparison() throws(TemplateError) -> Expression {
        let first = try arithmetic(from: 1)
        var others: [Expression.Operand] = []
        while let symbol = takeComparison() {
            others.append(Expression.Operand(symbol: symbol, value: try arithmetic(from: 1)))
        }
        return others.isEmpty ? first : Expression(kind: .comparison(first, others), offset: first.offset)
    }

    private mutating func takeComparison() -> String? {
        switch current.kind {
        case .symbol(let symbol) where TemplateParser.comparisons.contains(symbol):
            advance()
            return symbol
        case .name("in"):
            advance()
            return "in"
        case .name("not") where following.kind == .name("in"):
            advance()
            advance()
            return "not in"
        default: return nil
        }
    }

    /// Reads operators that bind at least as tightly as `lowest`, all from left to right.
    private mutating func arithmetic(from lowest: Int) throws(TemplateError) -> Expression {
        var result = try operand()
        var last = Int.max
        while case .symbol(let symbol) = current.kind, let level = TemplateParser.precedence[symbol], level >= lowest {
            advance()
            let right = Expression.Operand(symbol: symbol, value: try arithmetic(from: level + 1))
            // Of the same level: one node, however many there are.
            switch result.kind {
            case .arithmetic(let first, let others) where last == level && others.count < TemplateParser.longestChain:
                result.kind = .arithmetic(first, others + [right])
            case .concatenation(let elements) where last == level && elements.count < TemplateParser.longestChain:
                result.kind = .concatenation(elements + [right.value])
            default:
                if last == level { throw TemplateError(.limit, "more than \(TemplateParser.longestChain) operators in a row", at: current.offset) }
                let kind: Expression.Kind = symbol == "~" ? .concatenation([result, right.value]) : .arithmetic(result, [right])
                result = Expression(kind: kind, offset: result.offset)
            }
            last = level
        }
        return result
    }

    /// Reads a value with its sign and what follows it: attributes, elements, calls, filters, tests.
    ///
    /// - Parameter takesFilters: not behind a sign, which binds tighter.
    private mutating func operand(takesFilters: Bool = true) throws(TemplateError) -> Expression {
        var result: Expression
        if current.kind == .symbol("-") || current.kind == .symbol("+") {
            let sign = current
            advance()
            let value = try nested { (parser) throws(TemplateError) in try parser.operand(takesFilters: false) }
            result = Expression(kind: .sign(value, isMinus: sign.kind == .symbol("-")), offset: sign.offset)
        } else {
            result = try primary()
        }
        result = try postfix(result)
        return takesFilters ? try filters(on: result, startsWithBar: true) : result
    }

    private mutating func primary() throws(TemplateError) -> Expression {
        let offset = current.offset
        let kind: Expression.Kind
        switch current.kind {
        case .name(let name):
            advance()
            switch name {
            case "true", "True": kind = .bool(true)
            case "false", "False": kind = .bool(false)
            case "none", "None": kind = .none
            default:
                namesRead.insert(name)
                kind = .name(name)
            }
        case .string(var text):
            advance()
            while case .string(let more) = current.kind {
                text += more
                advance()
            }
            kind = .string(text)
        case .integer(let value):
            advance()
            kind = .integer(value)
        case .float(let value):
            advance()
            kind = .float(value)
        case .symbol("("):
            advance()
            if takes(.symbol(")")) {
                kind = .tuple([])
            } else {
                kind = try tupleOrExpression().kind
                try expect(.symbol(")"))
            }
        case .symbol("["):
            advance()
            kind = .list(try elements(until: "]") { (parser) throws(TemplateError) in try parser.expression() })
        case .symbol("{"):
            advance()
            kind = .dictionary(
                try elements(until: "}") { (parser) throws(TemplateError) in
                    let key = try parser.expression()
                    try parser.expect(.symbol(":"))
                    return Expression.Pair(key: key, value: try parser.expression())
                })
        default: throw unexpected("a value")
        }
        return Expression(kind: kind, offset: offset)
    }

    /// Reads elements with commas between them and perhaps after the last, and the closing bracket.
    private mutating func elements<T>(
        until closing: String, _ read: (inout TemplateParser) throws(TemplateError) -> T
    ) throws(TemplateError) -> [T] {
        var elements: [T] = []
        while !takes(.symbol(closing)) {
            if !elements.isEmpty { try expect(.symbol(",")) }
            if takes(.symbol(closing)) { break }
            elements.append(try read(&self))
        }
        return elements
    }

    // MARK: What follows a value

    private func checkChain(_ length: Int) throws(TemplateError) {
        if length > TemplateParser.deepestChain {
            throw TemplateError(
                .limit, "more than \(TemplateParser.deepestChain) attributes, calls, filters or conditions in a row", at: current.offset)
        }
    }

    private mutating func postfix(_ base: Expression) throws(TemplateError) -> Expression {
        var result = base
        var length = 0
        while case .symbol(let symbol) = current.kind, [".", "[", "("].contains(symbol) {
            length += 1
            try checkChain(length)
            let offset = current.offset
            advance()
            switch symbol {
            case ".":
                if case .integer(let index) = current.kind {
                    advance()
                    result = Expression(kind: .element(result, Expression(kind: .integer(index), offset: offset)), offset: offset)
                } else {
                    result = Expression(kind: .attribute(result, try name("an attribute's name")), offset: offset)
                }
            case "[": result = try subscripted(result, offset)
            default: result = Expression(kind: .call(result, try arguments()), offset: base.offset)
            }
        }
        return result
    }

    /// Reads `key]` or `start:stop:step]`.
    private mutating func subscripted(_ base: Expression, _ offset: Int) throws(TemplateError) -> Expression {
        var parts: [Expression?] = [nil]
        while !takes(.symbol("]")) {
            if takes(.symbol(":")) {
                parts.append(nil)
            } else if parts[parts.count - 1] == nil {
                parts[parts.count - 1] = try tupleOrExpression()
            } else {
                throw unexpected("']'")
            }
        }
        if parts.count > 3 { throw TemplateError(.syntax, "a slice has at most start, stop and step", at: offset) }
        if parts.count > 1 {
            return Expression(kind: .slice(base, start: parts[0], stop: parts[1], step: parts.count > 2 ? parts[2] : nil), offset: offset)
        }
        guard let key = parts[0] else { throw TemplateError(.syntax, "'[]' needs a key or an index", at: offset) }
        return Expression(kind: .element(base, key), offset: offset)
    }

    /// Reads a call's arguments, behind the opening parenthesis.
    private mutating func arguments() throws(TemplateError) -> Expression.Arguments {
        var arguments = Expression.Arguments()
        var isFirst = true
        while !takes(.symbol(")")) {
            if !isFirst {
                try expect(.symbol(","))
                if takes(.symbol(")")) { break }
            }
            isFirst = false
            if takes(.symbol("**")) {
                arguments.dictionary = try expression()
            } else if takes(.symbol("*")) {
                arguments.list = try expression()
            } else if case .name(let name) = current.kind, following.kind == .symbol("=") {
                advance()
                advance()
                arguments.named.append((name, try expression()))
            } else if arguments.named.isEmpty {
                arguments.positional.append(try expression())
            } else {
                throw TemplateError(.syntax, "an argument without a name stands behind one with a name", at: current.offset)
            }
        }
        return arguments
    }

    /// Reads filters and tests on `operand`, and calls of what they give.
    ///
    /// - Parameter startsWithBar: false in `{% filter name %}`, where the first has no `|`.
    mutating func filters(on operand: Expression?, startsWithBar: Bool) throws(TemplateError) -> Expression {
        var result = operand
        var isDue = !startsWithBar
        var length = 0
        while true {
            length += 1
            try checkChain(length)
            let offset = current.offset
            if isDue || takes(.symbol("|")) {
                isDue = false
                result = Expression(kind: .filter(result, try dottedName("a filter's name"), try optionalArguments()), offset: offset)
            } else if let operand = result, takes(.name("is")) {
                result = try test(on: operand, offset)
            } else if let operand = result, length > 1, takes(.symbol("(")) {
                result = Expression(kind: .call(operand, try arguments()), offset: offset)
            } else if let result {
                return result
            } else {
                throw unexpected("a filter")
            }
        }
    }

    private mutating func dottedName(_ what: String) throws(TemplateError) -> String {
        var name = try name(what)
        while takes(.symbol(".")) { name += ".\(try self.name(what))" }
        return name
    }

    private mutating func optionalArguments() throws(TemplateError) -> Expression.Arguments {
        takes(.symbol("(")) ? try arguments() : Expression.Arguments()
    }

    private mutating func test(on operand: Expression, _ offset: Int) throws(TemplateError) -> Expression {
        let isNegated = takes(.name("not"))
        let name = try dottedName("a test's name")
        var arguments = try optionalArguments()
        let takesOperand =
            switch current.kind {
            case .name("is"): throw TemplateError(.syntax, "tests cannot follow each other; join them with 'and'", at: current.offset)
            case .name(let word): !TemplateParser.joining.contains(word)
            case .string, .integer, .float: true
            case .symbol(let symbol): symbol == "[" || symbol == "{"
            default: false
            }
        if takesOperand && arguments.positional.isEmpty && arguments.named.isEmpty {
            arguments.positional = [try postfix(try primary())]
        }
        let test = Expression(kind: .test(operand, name, arguments), offset: offset)
        return isNegated ? Expression(kind: .not(test), offset: offset) : test
    }
}
