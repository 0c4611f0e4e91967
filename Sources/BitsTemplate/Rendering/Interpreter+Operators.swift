internal import BitsSystem

extension Interpreter {
    /// - Parameter symbol: one of `+ - * / // % **`.
    func arithmetic(_ symbol: String, _ a: TemplateValue, _ b: TemplateValue) throws(TemplateError) -> TemplateValue {
        if let x = a.number, let y = b.number { return try TemplateNumber.result(symbol, x, y) }
        switch (symbol, a, b) {
        case ("+", .string(let x), .string(let y)): return try made(x + y)
        case ("+", .list(let x), .list(let y)):
            try spend(x.count + y.count)
            return .list(x + y)
        case ("+", .tuple(let x), .tuple(let y)):
            try spend(x.count + y.count)
            return .tuple(x + y)
        case ("*", .string(let text), .integer(let count)), ("*", .integer(let count), .string(let text)):
            try checkLength(text.utf8.count.multipliedReportingOverflow(by: max(0, count)).overflow ? .max : text.utf8.count * max(0, count))
            return .string(String(repeating: text, count: max(0, count)))
        case ("*", .list(let elements), .integer(let count)), ("*", .integer(let count), .list(let elements)):
            let (total, overflow) = elements.count.multipliedReportingOverflow(by: max(0, count))
            try spend(overflow ? limits.steps : total)
            return .list((0..<max(0, elements.isEmpty ? 0 : count)).flatMap { _ in elements })
        case ("%", .string(let format), _):
            try measure(b)
            return try made(try PercentFormat.text(format, b))
        default:
            if case .undefined = b { throw unusable(b, "") }
            throw unusable(a, "'\(symbol)' is not for \(a.typeName) and \(b.typeName)")
        }
    }

    /// `a < b < c`: stops at the first comparison that is false.
    func compare(_ first: Expression, _ others: [Expression.Operand]) throws(TemplateError) -> TemplateValue {
        var left = try evaluate(first)
        for other in others {
            let right = try evaluate(other.value)
            guard try compare(left, other.symbol, right) else { return .bool(false) }
            left = right
        }
        return .bool(true)
    }

    func compare(_ a: TemplateValue, _ symbol: String, _ b: TemplateValue) throws(TemplateError) -> Bool {
        switch symbol {
        case "==", "!=":
            try spend(min(try measure(a), try measure(b)) / 256)
            return (a == b) == (symbol == "==")
        case "in", "not in":
            try measure(a)
            try spend(try measure(b) / 256)
            guard let contains = b.contains(a) else {
                throw unusable(b, "'in' needs a text, a list or a dictionary on its right (a text for a text), not \(a.typeName) in \(b.typeName)")
            }
            return contains == (symbol == "in")
        default:
            try spend(min(try measure(a), try measure(b)) / 256)
            let isTurned = symbol == ">" || symbol == "<="
            guard let precedes = isTurned ? b.precedes(a) : a.precedes(b) else {
                if case .undefined = b { throw unusable(b, "") }
                throw unusable(a, "'\(symbol)' is not for \(a.typeName) and \(b.typeName)")
            }
            // a <= b is not b < a, but for what is no number.
            let hasNaN = [a, b].contains { $0.number?.double.isNaN ?? false }
            return symbol.count == 1 ? precedes : !precedes && !hasNaN
        }
    }
}

/// Python's `'%s of %d' % values`.
enum PercentFormat {
    static func text(_ format: String, _ value: TemplateValue) throws(TemplateError) -> String {
        var values: ArraySlice<TemplateValue> = if case .tuple(let elements) = value { elements[...] } else { [value] }
        var result = ""
        var rest = Substring(format).unicodeScalars
        while let scalar = rest.popFirst() {
            guard scalar == "%" else {
                result.unicodeScalars.append(scalar)
                continue
            }
            var name: String?
            if rest.first == "(", let end = rest.firstIndex(of: ")") {
                name = String(rest[rest.index(after: rest.startIndex)..<end])
                rest = rest[rest.index(after: end)...]
            }
            let options = rest.prefix { "0123456789.-+ ".unicodeScalars.contains($0) }
            rest = rest.dropFirst(options.count)
            guard let kind = rest.popFirst() else { throw TemplateError(.failed, "the format '\(format)' ends behind '%'") }
            if kind == "%" {
                result += "%"
                continue
            }
            let element: TemplateValue
            if let name {
                guard case .dictionary(let dictionary) = value, let found = dictionary[name] else {
                    throw TemplateError(.failed, "the format '\(format)' needs a dictionary with '\(name)'")
                }
                element = found
            } else {
                guard let next = values.popFirst() else { throw TemplateError(.failed, "the format '\(format)' needs more values") }
                element = next
            }
            let precision = options.firstIndex(of: ".").map { Int(String(options[options.index(after: $0)...])) ?? 0 }
            if let precision, precision > 1000 { throw TemplateError(.limit, "\(precision) decimals are more than 1000") }
            result += try padded(try field(kind, element, precision: precision), String(options))
        }
        if !values.isEmpty, case .tuple = value { throw TemplateError(.failed, "the format '\(format)' has no place for all values") }
        return result
    }

    private static func field(_ kind: Unicode.Scalar, _ value: TemplateValue, precision: Int?) throws(TemplateError) -> String {
        switch kind {
        case "s": return precision.map { String(scalars: value.text.unicodeScalars.prefix($0)) } ?? value.text
        case "r": return value.representation
        case "d", "i":
            if let number = value.number, let whole = Int(exactly: number.double.rounded(.towardZero)) {
                if case .integer(let exact) = number { return String(exact) }
                return String(whole)
            }
        case "f": if let number = value.number { return number.double.fixed(digits: precision ?? 6) }
        default: throw TemplateError(.unsupported, "the format '%\(kind)' is not implemented")
        }
        throw TemplateError(.failed, "the format '%\(kind)' needs a number, not \(value.typeName)")
    }

    private static func padded(_ text: String, _ options: String) throws(TemplateError) -> String {
        let isLeft = options.contains("-")
        let fill = options.drop { $0 == "-" || $0 == "+" || $0 == " " }
        guard let width = Int(fill.prefix { $0 != "." }) else { return text }
        guard width <= 1000 else { throw TemplateError(.limit, "a field of \(width) characters is wider than 1000") }
        if fill.hasPrefix("0") && !isLeft {
            let sign = text.hasPrefix("-") ? "-" : ""
            return sign + String(text.dropFirst(sign.count)).padded(to: width - sign.count, with: "0", left: true, right: false)
        }
        return text.padded(to: width, with: " ", left: !isLeft, right: isLeft)
    }
}
