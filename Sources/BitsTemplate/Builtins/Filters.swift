internal import BitsSystem

extension Interpreter {
    /// What the filter `name` makes of `value`.
    func filter(_ name: String, _ value: TemplateValue, _ arguments: CallArguments) throws(TemplateError) -> TemplateValue {
        if let result = try textFilter(name, value, arguments) { return result }
        if let result = try sequenceFilter(name, value, arguments) { return result }
        if let result = try pickingFilter(name, value, arguments) { return result }
        switch name {
        case "default", "d":
            let given = try arguments.bound(name, "default_value", "boolean")
            if case .undefined = value { return given[0] ?? .string("") }
            return given[1].isTrue && !value.isTrue ? given[0] ?? .string("") : value
        case "attr":
            let attributeName = try arguments.bound(name, "name")[0].string(name)
            if case .dictionary = value {
                return TemplateMethods.method(attributeName, of: value) ?? .undefined("'dict object' has no attribute '\(attributeName)'")
            }
            return try attribute(attributeName, of: value)
        case "abs":
            guard let number = value.number else { throw unusable(value, "abs needs a number, not \(value.typeName)") }
            return number.double < 0 ? try TemplateNumber.result("-", .integer(0), number) : try TemplateNumber.result("+", .integer(0), number)
        case "round": return try rounded(value, try arguments.bound(name, "precision", "method"))
        case "int":
            let given = try arguments.bound(name, "default", "base")
            return TemplateValue.integer(from: value, base: try given[1].integer(name, default: 10)) ?? given[0] ?? .integer(0)
        case "float":
            let standard = try arguments.bound(name, "default")[0] ?? .float(0)
            if let number = value.number { return .float(number.double) }
            if case .string(let text) = value, let number = Double(text.stripped().filter { $0 != "_" }) { return .float(number) }
            return standard
        case "tojson":
            let given = try arguments.bound(name, "ensure_ascii", "indent", "separators", "sort_keys")
            try measure(value)
            let indent = try given[1].optionalInteger(name)
            guard (0...100).contains(indent ?? 0) else { throw TemplateError(.unsupported, "tojson indents by 0 to 100, not by \(indent ?? 0)") }
            var options = TemplateJSON(indent: indent, limit: limits.byteCount)
            options.escapesBeyondASCII = given[0].isTrue
            options.sortsKeys = given[3].isTrue
            if let separators = given[2]?.elements, separators.count == 2 {
                (options.itemSeparator, options.keySeparator) = (separators[0].text, separators[1].text)
            }
            return try made(try TemplateJSON.text(value, options))
        default: throw TemplateError(.unsupported, "the filter '\(name)' is not implemented")
        }
    }

    private func rounded(_ value: TemplateValue, _ arguments: [TemplateValue?]) throws(TemplateError) -> TemplateValue {
        guard let number = value.number else { throw unusable(value, "round needs a number, not \(value.typeName)") }
        let digits = try arguments[0].integer("round", default: 0)
        guard (0...15).contains(digits) else { throw TemplateError(.unsupported, "round takes 0 to 15 digits, not \(digits)") }
        let (method, x) = (try arguments[1].string("round", default: "common"), number.double)
        switch method {
        case "common":
            if case .integer(let whole) = number { return .integer(whole) }
            return .float(x.isFinite ? Double(x.fixed(digits: digits)) ?? x : x)
        case "ceil", "floor":
            let scale = (0..<digits).reduce(1.0) { scale, _ in scale * 10 }
            return .float((x * scale).rounded(method == "ceil" ? .up : .down) / scale)
        default: throw TemplateError(.failed, "round knows common, ceil and floor, not '\(method)'")
        }
    }
}

extension TemplateValue {
    /// What Python's `int` makes of a number or a text; nil where it makes nothing.
    fileprivate static func integer(from value: TemplateValue, base: Int) -> TemplateValue? {
        switch value {
        case .integer, .bool, .float:
            return value.number.flatMap { number in
                if case .integer(let whole) = number { return .integer(whole) }
                return Int(exactly: number.double.rounded(.towardZero)).map { .integer($0) }
            }
        case .string(let text):
            guard (2...36).contains(base) else { return nil }
            let digits = text.stripped().filter { $0 != "_" }
            if let whole = Int(digits, radix: base) { return .integer(whole) }
            return Double(digits).flatMap { Int(exactly: $0.rounded(.towardZero)) }.map { .integer($0) }
        default: return nil
        }
    }
}
