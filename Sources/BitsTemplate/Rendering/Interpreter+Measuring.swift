extension Interpreter {
    /// Checks that a value is not nested too deep and not too large as text, and counts what is in it as work. Lists that hold each other are gone through as
    /// often as they are held, as whatever works on them will do.
    ///
    /// - Returns: bytes that the value has at least as text.
    @discardableResult
    func measure(_ value: TemplateValue, depth: Int = 0) throws(TemplateError) -> Int {
        if case .string(let text) = value { return text.utf8.count }
        guard depth <= limits.nesting else { throw TemplateError(.limit, "a value is nested deeper than \(limits.nesting) levels") }
        var byteCount = 2
        switch value {
        case .list(let elements), .tuple(let elements):
            try spend(elements.count / 16 + 1)
            for element in elements {
                byteCount += try measure(element, depth: depth + 1) + 2
                if byteCount > limits.byteCount { try checkLength(byteCount) }
            }
        case .dictionary(let dictionary):
            try spend(dictionary.keys.count / 8 + 1)
            for (key, element) in dictionary.items {
                byteCount += try measure(key, depth: depth + 1) + measure(element, depth: depth + 1) + 4
                if byteCount > limits.byteCount { try checkLength(byteCount) }
            }
        default: break
        }
        return byteCount
    }

    /// What is written for a value.
    func text(of value: TemplateValue) throws(TemplateError) -> String {
        try measure(value)
        return value.text
    }
}
