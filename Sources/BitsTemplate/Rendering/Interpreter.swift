/// Carries a template out. It counts what it does, so that every template comes to an end.
final class Interpreter {
    let limits: TemplateLimits
    let strftime: (String) -> String
    private var steps = 0
    private var depth = 0
    /// What is written: the template's text first, then that of blocks that are kept.
    private var texts: [[UInt8]] = [[]]
    /// Places in the template's text that `{% generation %}` marks, in bytes.
    private(set) var generations: [Range<Int>] = []
    var scope: Scope

    init(scope: Scope, limits: TemplateLimits, strftime: @escaping (String) -> String) {
        self.scope = scope
        self.limits = limits
        self.strftime = strftime
    }

    var text: String { String(decoding: texts[0], as: UTF8.self) }

    // MARK: What is used up

    /// Counts work.
    func spend(_ count: Int = 1) throws(TemplateError) {
        steps += min(count, limits.steps + 1)
        if steps > limits.steps { throw TemplateError(.limit, "the template takes more than \(limits.steps) steps; it may never end") }
    }

    /// Counts a text that was made, and checks its length.
    func made(_ text: String) throws(TemplateError) -> TemplateValue {
        try checkLength(text.utf8.count)
        return .string(text)
    }

    func checkLength(_ byteCount: Int) throws(TemplateError) {
        guard byteCount <= limits.byteCount else { throw TemplateError(.limit, "the template writes more than \(limits.byteCount) bytes") }
        try spend(byteCount / 256)
    }

    /// Carries out what lies a level deeper.
    func deeper<T>(_ body: () throws(TemplateError) -> T) throws(TemplateError) -> T {
        depth += 1
        defer { depth -= 1 }
        if depth > limits.depth { throw TemplateError(.limit, "the template calls and nests deeper than \(limits.depth) levels") }
        return try body()
    }

    // MARK: Writing

    func write(_ text: String) throws(TemplateError) {
        texts[texts.count - 1].append(contentsOf: text.utf8)
        try checkLength(texts[texts.count - 1].count > limits.byteCount ? texts[texts.count - 1].count : text.utf8.count)
    }

    /// What `body` writes, kept from the template's text.
    func captured(_ body: () throws(TemplateError) -> Void) throws(TemplateError) -> String {
        texts.append([])
        defer { texts.removeLast() }
        try body()
        return String(decoding: texts[texts.count - 1], as: UTF8.self)
    }

    /// Carries out `body` in `inner`, and goes back.
    func within<T>(_ inner: Scope, _ body: () throws(TemplateError) -> T) throws(TemplateError) -> T {
        let outer = scope
        scope = inner
        defer { scope = outer }
        return try body()
    }

    // MARK: Statements

    /// How a block was left.
    enum Leaving {
        case atEnd
        case byBreak
        case byContinue
    }

    @discardableResult
    func run(_ statements: [Statement]) throws(TemplateError) -> Leaving {
        for statement in statements {
            try spend()
            let leaving = try deeper { () throws(TemplateError) in try run(statement) }
            if leaving != .atEnd { return leaving }
        }
        return .atEnd
    }

    private func run(_ statement: Statement) throws(TemplateError) -> Leaving {
        switch statement {
        case .text(let text): try write(text)
        case .output(let expression): try write(try text(of: try evaluate(expression)))
        case .set(let target, let value): try assign(try evaluate(value), to: target)
        case .setBlock(let target, let filter, let body):
            try assign(try block(body, filter: filter), to: target)
        case .conditional(let branches, let otherwise):
            for branch in branches where try evaluate(branch.condition).isTrue { return try run(branch.body) }
            return try run(otherwise)
        case .loop(let loop): try run(loop, over: try evaluate(loop.iterable), depth: 0)
        case .macro(let macro): scope[macro.name] = .object(TemplateMacro(macro, scope: scope))
        case .callBlock(let macro, let call):
            let caller = TemplateValue.object(TemplateMacro(macro, scope: scope))
            try write(try text(of: try evaluate(call, caller: caller)))
        case .filterBlock(let filter, let body): try write(try text(of: try block(body, filter: filter)))
        case .with(let values, let body):
            let inner = Scope(in: scope)
            for (target, value) in values {
                let value = try evaluate(value)
                try within(inner) { () throws(TemplateError) in try assign(value, to: target) }
            }
            return try within(inner) { () throws(TemplateError) in try run(body) }
        case .generation(let body):
            let text = try block(body, filter: nil).text
            let start = texts[0].count
            generations.append(start..<start + text.utf8.count)
            try write(text)
        case .breakLoop: return .byBreak
        case .continueLoop: return .byContinue
        }
        return .atEnd
    }

    /// What a block writes in a scope of its own, through filters.
    private func block(_ body: [Statement], filter: Expression?) throws(TemplateError) -> TemplateValue {
        let text = try captured { () throws(TemplateError) in try within(Scope(in: scope)) { () throws(TemplateError) in _ = try run(body) } }
        return try filter.map { (filter) throws(TemplateError) in try evaluate(filter, operand: .string(text)) } ?? .string(text)
    }

    func assign(_ value: TemplateValue, to target: Statement.Target) throws(TemplateError) {
        switch target {
        case .name(let name): scope[name] = value
        case .attribute(let name, let attribute, let offset):
            guard case .object(let namespace as TemplateNamespace) = scope[name] else {
                throw TemplateError(.failed, "'\(name)' is no namespace; make it one: {% set \(name) = namespace(\(attribute)=...) %}", at: offset)
            }
            do {
                try measure(value)
                try namespace.set(attribute, to: value)
            } catch { throw error.placed(at: offset) }
        case .tuple(let targets, let offset):
            guard let elements = value.elements, elements.count == targets.count else {
                let found = value.elements.map { "\($0.count) values" } ?? value.typeName
                throw TemplateError(.failed, "\(found) cannot be assigned to \(targets.count) names", at: offset)
            }
            for (target, element) in zip(targets, elements) { try assign(element, to: target) }
        }
    }
}
