/// Reads statements from tokens. `TemplateParser+Expressions.swift` reads what is computed in them.
struct TemplateParser {
    private let tokens: [TemplateToken]
    private var index = 0
    /// Blocks and parentheses inside each other: about as deep as Jinja itself reads.
    static let deepest = 64

    private var depth = 0
    private var marksGenerations = false
    /// Names that are read, since the macro began that is read now.
    var namesRead: Set<String> = []

    private init(_ tokens: [TemplateToken]) { self.tokens = tokens }

    /// The statements of a template, and whether `{% generation %}` is among them.
    ///
    /// - Parameter source: as ``TemplateLexer/normalized(_:)`` gives it.
    static func statements(of source: [Unicode.Scalar]) throws(TemplateError) -> ([Statement], marksGenerations: Bool) {
        var parser = TemplateParser(try TemplateLexer.tokens(of: source))
        return (try parser.block(until: [], of: nil), parser.marksGenerations)
    }

    // MARK: Tokens

    var current: TemplateToken { tokens[index] }
    var following: TemplateToken { tokens[min(index + 1, tokens.count - 1)] }

    mutating func advance() { index = min(index + 1, tokens.count - 1) }

    mutating func takes(_ kind: TemplateToken.Kind) -> Bool {
        guard current.kind == kind else { return false }
        advance()
        return true
    }

    mutating func expect(_ kind: TemplateToken.Kind) throws(TemplateError) {
        guard takes(kind) else { throw unexpected(TemplateToken(kind: kind, offset: 0).description) }
    }

    func unexpected(_ expected: String) -> TemplateError {
        TemplateError(.syntax, "\(current.description) stands where \(expected) was expected", at: current.offset)
    }

    mutating func name(_ what: String) throws(TemplateError) -> String {
        guard case .name(let name) = current.kind else { throw unexpected(what) }
        advance()
        return name
    }

    /// Reads what is nested one level deeper.
    mutating func nested<T>(_ read: (inout TemplateParser) throws(TemplateError) -> T) throws(TemplateError) -> T {
        depth += 1
        defer { depth -= 1 }
        guard depth <= TemplateParser.deepest else {
            throw TemplateError(.limit, "the template is nested deeper than \(TemplateParser.deepest) levels", at: current.offset)
        }
        return try read(&self)
    }

    // MARK: Statements

    /// Reads statements up to one of the names in `ends`, which stays the current token, or to the template's end where there are none.
    ///
    /// - Parameter opening: the block that has to end, for errors.
    private mutating func block(until ends: [String], of opening: (name: String, offset: Int)?) throws(TemplateError) -> [Statement] {
        try nested { (parser) throws(TemplateError) in
            var statements: [Statement] = []
            while true {
                switch parser.current.kind {
                case .text(let text):
                    parser.advance()
                    statements.append(.text(text))
                case .outputBegin:
                    parser.advance()
                    statements.append(.output(try parser.tupleOrExpression()))
                    try parser.expect(.outputEnd)
                case .blockBegin:
                    parser.advance()
                    if case .name(let name) = parser.current.kind, ends.contains(name) { return statements }
                    statements.append(try parser.statement())
                case .end where opening == nil: return statements
                default:
                    guard let opening else { throw parser.unexpected("text or a tag") }
                    let wanted = ends.map { "'{% \($0) %}'" }.joined(separator: " or ")
                    throw TemplateError(.syntax, "'{% \(opening.name) %}' has no end; \(wanted) was expected", at: opening.offset)
                }
            }
        }
    }

    /// Reads a statement whose name is the current token, with the end of its tag.
    private mutating func statement() throws(TemplateError) -> Statement {
        let offset = current.offset
        let name = try name("a statement's name")
        switch name {
        case "if": return try conditional(offset)
        case "for": return try loop(offset)
        case "set": return try set(offset)
        case "macro":
            let macro = try signature(name: self.name("the macro's name"), offset)
            return .macro(try body(of: macro, "macro"))
        case "call":
            let macro = try current.kind == .symbol("(") ? signature(name: "caller", offset) : Statement.Macro(name: "caller", offset: offset)
            let call = try expression()
            guard case .call = call.kind else { throw TemplateError(.syntax, "'{% call %}' needs a call, as in 'name(...)'", at: call.offset) }
            return .callBlock(try body(of: macro, "call"), call)
        case "filter":
            let filter = try filters(on: nil, startsWithBar: false)
            return .filterBlock(filter, try body("filter", offset))
        case "with":
            var values: [(target: Statement.Target, value: Expression)] = []
            while current.kind != .blockEnd {
                if !values.isEmpty { try expect(.symbol(",")) }
                let target = try target(allowsAttribute: false)
                try expect(.symbol("="))
                values.append((target, try expression()))
            }
            return .with(values, try body("with", offset))
        case "generation":
            marksGenerations = true
            return .generation(try body("generation", offset))
        case "break", "continue":
            try expect(.blockEnd)
            return name == "break" ? .breakLoop(offset: offset) : .continueLoop(offset: offset)
        case "block", "extends", "include", "import", "from", "autoescape", "do", "print", "trans":
            throw TemplateError(.unsupported, "the statement '\(name)' is not implemented", at: offset)
        default: throw TemplateError(.syntax, "there is no statement '\(name)'", at: offset)
        }
    }

    /// Reads the rest of a tag, what follows, and the tag `end...`.
    private mutating func body(_ name: String, _ offset: Int) throws(TemplateError) -> [Statement] {
        try expect(.blockEnd)
        let statements = try block(until: ["end\(name)"], of: (name, offset))
        advance()
        try expect(.blockEnd)
        return statements
    }

    private mutating func body(of macro: Statement.Macro, _ name: String) throws(TemplateError) -> Statement.Macro {
        var macro = macro
        let outer = namesRead
        namesRead = []
        macro.body = try body(name, macro.offset)
        macro.takesMore = namesRead.intersection(["varargs", "kwargs", "caller"])
        namesRead.formUnion(outer)
        return macro
    }

    private mutating func conditional(_ offset: Int) throws(TemplateError) -> Statement {
        var branches: [Statement.Branch] = []
        var otherwise: [Statement] = []
        var keyword = "if"
        while keyword != "endif" {
            let condition = keyword == "else" ? nil : try tupleOrExpression(allowsCondition: false)
            try expect(.blockEnd)
            let body = try block(until: keyword == "else" ? ["endif"] : ["elif", "else", "endif"], of: ("if", offset))
            if let condition { branches.append(Statement.Branch(condition: condition, body: body)) } else { otherwise = body }
            keyword = try name("'endif'")
        }
        try expect(.blockEnd)
        return .conditional(branches, otherwise: otherwise)
    }

    private mutating func loop(_ offset: Int) throws(TemplateError) -> Statement {
        let target = try target(allowsAttribute: false)
        try expect(.name("in"))
        let iterable = try tupleOrExpression(allowsCondition: false, endingAt: "recursive")
        let condition = takes(.name("if")) ? try expression() : nil
        let isRecursive = takes(.name("recursive"))
        try expect(.blockEnd)
        let body = try block(until: ["else", "endfor"], of: ("for", offset))
        var otherwise: [Statement] = []
        if try name("'endfor'") == "else" {
            try expect(.blockEnd)
            otherwise = try block(until: ["endfor"], of: ("for", offset))
            advance()
        }
        try expect(.blockEnd)
        return .loop(
            Statement.Loop(target: target, iterable: iterable, condition: condition, body: body, otherwise: otherwise, isRecursive: isRecursive))
    }

    private mutating func set(_ offset: Int) throws(TemplateError) -> Statement {
        let target = try target(allowsAttribute: true)
        if takes(.symbol("=")) {
            let value = try tupleOrExpression()
            try expect(.blockEnd)
            return .set(target, value)
        }
        let filter = current.kind == .symbol("|") ? try filters(on: nil, startsWithBar: true) : nil
        return .setBlock(target, filter: filter, try body("set", offset))
    }

    /// Reads `(a, b=1)`.
    private mutating func signature(name: String, _ offset: Int) throws(TemplateError) -> Statement.Macro {
        try expect(.symbol("("))
        var parameters: [Statement.Parameter] = []
        while current.kind != .symbol(")") {
            if !parameters.isEmpty { try expect(.symbol(",")) }
            let name = try self.name("a parameter's name")
            let standard = takes(.symbol("=")) ? try expression() : nil
            if standard == nil && parameters.last?.standard != nil {
                throw TemplateError(.syntax, "the parameter '\(name)' needs a default, as one before it has one", at: current.offset)
            }
            parameters.append(Statement.Parameter(name: name, standard: standard))
        }
        advance()
        return Statement.Macro(name: name, parameters: parameters, offset: offset)
    }

    /// Reads what is assigned to: a name, `namespace.name` where that is allowed, or several with commas.
    private mutating func target(allowsAttribute: Bool) throws(TemplateError) -> Statement.Target {
        let offset = current.offset
        var targets: [Statement.Target] = []
        var isTuple = false
        repeat {
            if case .symbol("=") = current.kind { break }
            if case .name("in") = current.kind { break }
            targets.append(try singleTarget(allowsAttribute: allowsAttribute))
            if current.kind == .symbol(",") { isTuple = true }
        } while takes(.symbol(","))
        if let only = targets.first, !isTuple { return only }
        return .tuple(targets, offset: offset)
    }

    private mutating func singleTarget(allowsAttribute: Bool) throws(TemplateError) -> Statement.Target {
        if takes(.symbol("(")) {
            let inner = try nested { (parser) throws(TemplateError) in try parser.target(allowsAttribute: allowsAttribute) }
            try expect(.symbol(")"))
            return inner
        }
        let offset = current.offset
        let name = try name("a name to assign to")
        if ["true", "false", "none", "True", "False", "None"].contains(name) {
            throw TemplateError(.syntax, "'\(name)' cannot be assigned to", at: offset)
        }
        guard allowsAttribute, takes(.symbol(".")) else { return .name(name) }
        return .attribute(name, try self.name("an attribute's name"), offset: offset)
    }
}
