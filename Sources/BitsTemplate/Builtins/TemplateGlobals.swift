/// Functions that every template has.
enum TemplateGlobals {
    static func value(_ name: String) -> TemplateValue? {
        let body: TemplateFunction.Body? =
            switch name {
            case "raise_exception":
                { (interpreter, arguments) throws(TemplateError) in
                    throw TemplateError(
                        .raised,
                        try arguments.positional.first.map { (message) throws(TemplateError) in try interpreter.text(of: message) }
                            ?? "the conversation is refused")
                }
            case "strftime_now":
                { (interpreter, arguments) throws(TemplateError) in
                    let format = try arguments.bound(name, "format")[0].string(name)
                    guard format.utf8.count <= 256 else { throw TemplateError(.limit, "strftime_now takes a format of at most 256 bytes") }
                    return .string(interpreter.strftime(format))
                }
            case "namespace":
                { (interpreter, arguments) throws(TemplateError) in
                    let namespace = TemplateNamespace()
                    for (key, value) in try dictionary(arguments).items {
                        try interpreter.measure(value)
                        try namespace.set(key.text, to: value)
                    }
                    return .object(namespace)
                }
            case "dict": { (_, arguments) throws(TemplateError) in .dictionary(try dictionary(arguments)) }
            case "range": range
            case "joiner": { (_, arguments) throws(TemplateError) in joiner(try arguments.bound(name, "sep")[0].string(name, default: ", ")) }
            case "cycler": { (_, arguments) throws(TemplateError) in .object(try TemplateCycler(arguments.positional)) }
            default: nil
            }
        return body.map { .object(TemplateFunction(name, $0)) }
    }

    /// What `dict(other, key=value)` makes; a list of pairs will do as well.
    private static func dictionary(_ arguments: CallArguments) throws(TemplateError) -> TemplateDictionary {
        guard arguments.positional.count <= 1 else { throw TemplateError(.failed, "a dictionary is made of one value at most, and of named ones") }
        var result = TemplateDictionary()
        switch arguments.positional.first {
        case .dictionary(let other)?: result = other
        case let pairs?:
            for pair in pairs.elements ?? [] {
                guard let parts = pair.elements, parts.count == 2 else {
                    throw TemplateError(.failed, "a dictionary is made of pairs, not of \(pair.typeName)")
                }
                result.set(parts[0], to: parts[1])
            }
        case nil: break
        }
        for (name, value) in arguments.named { result.set(.string(name), to: value) }
        return result
    }

    private static func range(_ interpreter: Interpreter, _ arguments: CallArguments) throws(TemplateError) -> TemplateValue {
        let values = try arguments.bound("range", "start", "stop", "step")
        let first = try values[0].integer("range")
        let stop = try values[1].integer("range", default: first)
        let step = try values[2].integer("range", default: 1)
        guard step != 0 else { throw TemplateError(.failed, "range has a step of 0") }
        let longest = 100_000
        var numbers: [TemplateValue] = []
        var next = values[1] == nil ? 0 : first
        while step > 0 ? next < stop : next > stop {
            guard numbers.count < longest else { throw TemplateError(.limit, "range gives more than \(longest) numbers") }
            numbers.append(.integer(next))
            let (sum, overflow) = next.addingReportingOverflow(step)
            if overflow { break }
            next = sum
        }
        try interpreter.spend(numbers.count)
        return .list(numbers)
    }

    /// Gives nothing the first time, then `separator`.
    private static func joiner(_ separator: String) -> TemplateValue {
        var isUsed = false
        return .object(
            TemplateFunction("joiner") { (_, _) throws(TemplateError) in
                defer { isUsed = true }
                return .string(isUsed ? separator : "")
            })
    }
}

/// Values in turn: `cycler("odd", "even")`.
final class TemplateCycler: TemplateObject {
    let typeName = "Cycler"
    private let values: [TemplateValue]
    private var place = 0

    init(_ values: [TemplateValue]) throws(TemplateError) {
        guard !values.isEmpty else { throw TemplateError(.failed, "a cycler needs values") }
        self.values = values
    }

    func attribute(_ name: String) -> TemplateValue? {
        switch name {
        case "current": values[place]
        case "next":
            .object(
                TemplateFunction("cycler.next") { [self] (_, _) throws(TemplateError) in
                    defer { place = (place + 1) % values.count }
                    return values[place]
                })
        case "reset":
            .object(
                TemplateFunction("cycler.reset") { [self] (_, _) throws(TemplateError) in
                    place = 0
                    return .none
                })
        default: nil
        }
    }
}
