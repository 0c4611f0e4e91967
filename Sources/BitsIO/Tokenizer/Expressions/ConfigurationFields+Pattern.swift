extension ConfigurationFields {
    /// What `pattern` looks for: a regular expression, or a text as it stands.
    func pattern(_ component: String) throws(ModelFileError) -> RegularExpression {
        guard let pattern = try section("pattern") else { throw error("has no pattern in \(component)") }
        if let expression = try pattern.optional("Regex", as: String.self) { return try regularExpression(expression, component) }
        let text = try pattern.require("String", as: String.self)
        return try understood("\(component) by '\(text)'") { () throws(ExpressionError) in try RegularExpression(literal: text) }
    }

    func regularExpression(_ expression: String, _ component: String) throws(ModelFileError) -> RegularExpression {
        do {
            return try RegularExpression(expression)
        } catch {
            throw .unsupported(
                path: path,
                "has in its \(component) the regular expression '\(expression)' with \(error.reason) at character \(error.position + 1), "
                    + "which is not implemented")
        }
    }

    /// What `body` gives; the component is named where an expression asks for too much.
    func understood<R>(_ component: String, _ body: () throws(ExpressionError) -> R) throws(ModelFileError) -> R {
        do { return try body() } catch { throw .unsupported(path: path, "has in its \(component) \(error.reason), which is not implemented") }
    }
}
