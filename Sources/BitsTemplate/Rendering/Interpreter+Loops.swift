extension Interpreter {
    /// Goes through `value`, a round for each element.
    func run(_ loop: Statement.Loop, over value: TemplateValue, depth: Int) throws(TemplateError) {
        guard var elements = value.elements else {
            throw TemplateError(.failed, "a value of type \(value.typeName) cannot be gone through", at: loop.iterable.offset)
        }
        if let condition = loop.condition {
            var kept: [TemplateValue] = []
            for element in elements {
                try spend()
                let isKept = try within(Scope(in: scope)) { () throws(TemplateError) in
                    try assign(element, to: loop.target)
                    return try evaluate(condition).isTrue
                }
                if isKept { kept.append(element) }
            }
            elements = kept
        }
        let state = TemplateLoop(loop, elements: elements, depth: depth, scope: scope)
        for index in elements.indices {
            try spend()
            state.index = index
            let leaving = try within(Scope(in: scope)) { () throws(TemplateError) in
                scope["loop"] = .object(state)
                try assign(elements[index], to: loop.target)
                return try run(loop.body)
            }
            if leaving == .byBreak { break }
        }
        if elements.isEmpty { _ = try within(Scope(in: scope)) { () throws(TemplateError) in try run(loop.otherwise) } }
    }

    /// The text of a loop that calls itself with other elements.
    func recurse(_ state: TemplateLoop, over value: TemplateValue) throws(TemplateError) -> TemplateValue {
        guard state.statement.isRecursive else {
            throw TemplateError(.failed, "the loop calls itself; write {% for ... recursive %}")
        }
        let text = try captured { () throws(TemplateError) in
            try within(state.scope) { () throws(TemplateError) in try run(state.statement, over: value, depth: state.depth + 1) }
        }
        return .string(text)
    }
}

/// The variable `loop` inside a loop.
final class TemplateLoop: TemplateObject {
    let typeName = "LoopContext"
    let statement: Statement.Loop
    let depth: Int
    let scope: Scope
    private let elements: [TemplateValue]
    private var lastSeen: [TemplateValue]?
    var index = 0

    init(_ statement: Statement.Loop, elements: [TemplateValue], depth: Int, scope: Scope) {
        self.statement = statement
        self.elements = elements
        self.depth = depth
        self.scope = scope
    }

    func attribute(_ name: String) -> TemplateValue? {
        switch name {
        case "index": .integer(index + 1)
        case "index0": .integer(index)
        case "revindex": .integer(elements.count - index)
        case "revindex0": .integer(elements.count - index - 1)
        case "first": .bool(index == 0)
        case "last": .bool(index == elements.count - 1)
        case "length": .integer(elements.count)
        case "depth": .integer(depth + 1)
        case "depth0": .integer(depth)
        case "previtem": index > 0 ? elements[index - 1] : .undefined("there is no previous item")
        case "nextitem": index + 1 < elements.count ? elements[index + 1] : .undefined("there is no next item")
        case "cycle": .object(TemplateFunction("loop.cycle") { [self] (_, arguments) throws(TemplateError) in try cycled(arguments.positional) })
        case "changed":
            .object(TemplateFunction("loop.changed") { [self] (_, arguments) throws(TemplateError) in .bool(changed(arguments.positional)) })
        default: nil
        }
    }

    private func cycled(_ values: [TemplateValue]) throws(TemplateError) -> TemplateValue {
        guard !values.isEmpty else { throw TemplateError(.failed, "loop.cycle needs values") }
        return values[index % values.count]
    }

    /// Whether `values` differ from those of the last call.
    private func changed(_ values: [TemplateValue]) -> Bool {
        defer { lastSeen = values }
        return lastSeen != values
    }
}
