extension Interpreter {
    /// What the test `name` says of `value`.
    func test(_ name: String, _ value: TemplateValue, _ arguments: CallArguments) throws(TemplateError) -> Bool {
        let operators = [
            "eq": "==", "equalto": "==", "==": "==", "ne": "!=", "!=": "!=", "lt": "<", "lessthan": "<", "<": "<", "le": "<=", "<=": "<=", "gt": ">",
            "greaterthan": ">", ">": ">", "ge": ">=", ">=": ">=", "in": "in",
        ]
        if let symbol = operators[name] {
            return try compare(value, symbol, try arguments.bound(name, "other")[0].required(name, "a value to compare with"))
        }
        if name == "divisibleby" {
            let divisor = try arguments.bound(name, "num")[0].required(name, "a number")
            return try arithmetic("%", value, divisor) == .integer(0)
        }
        if name == "sameas" { return isSame(value, try arguments.bound(name, "other")[0].required(name, "a value")) }
        _ = try arguments.bound(name)
        switch (name, value) {
        case ("defined", .undefined): return false
        case ("defined", _): return true
        case ("undefined", .undefined): return true
        case ("none", .none), ("boolean", .bool), ("true", .bool(true)), ("false", .bool(false)): return true
        case ("string", .string), ("mapping", .dictionary), ("float", .float), ("integer", .integer): return true
        case ("number", _): return value.number != nil
        case ("sequence", _): return value.count != nil
        case ("iterable", .object(let object)): return object is TemplateGenerator
        case ("iterable", _): return value.elements != nil
        case ("callable", .object(let object)): return object is TemplateFunction || object is TemplateMacro || object is TemplateLoop
        case ("odd", _): return try arithmetic("%", value, .integer(2)) == .integer(1)
        case ("even", _): return try arithmetic("%", value, .integer(2)) == .integer(0)
        case ("lower", _): return isCased(value.text, lower: true)
        case ("upper", _): return isCased(value.text, lower: false)
        case ("escaped", _), ("undefined", _), ("none", _), ("boolean", _), ("true", _), ("false", _), ("string", _), ("mapping", _), ("float", _),
            ("integer", _), ("callable", _):
            return false
        default: throw TemplateError(.unsupported, "the test '\(name)' is not implemented")
        }
    }

    /// Whether two values are one and the same: for those without identity, of one type and equal.
    private func isSame(_ a: TemplateValue, _ b: TemplateValue) -> Bool { a.typeName == b.typeName && a == b }

    private func isCased(_ text: String, lower: Bool) -> Bool {
        let cased = text.unicodeScalars.filter(\.properties.isCased)
        return !cased.isEmpty && cased.allSatisfy { lower ? $0.properties.isLowercase : $0.properties.isUppercase }
    }
}
