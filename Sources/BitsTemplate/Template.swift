/// A template in the language of chat templates, which is Jinja's as transformers sets it up: read once, rendered as often as wanted.
///
/// Values behave as Python's; white space around blocks is dropped as by `trim_blocks` and `lstrip_blocks`. Loops with `loop`, `break` and `continue`,
/// conditions, macros, `call`, `set`, namespaces, `with`, filters, tests, methods, `raise_exception`, `strftime_now` and `{% generation %}` are there;
/// what loads other templates is not, and named with its place.
package struct Template: Sendable {
    private let source: [Unicode.Scalar]
    private let statements: [Statement]
    private let limits: TemplateLimits

    /// What a template wrote.
    package struct Rendered: Sendable, Equatable {
        package let text: String
        /// What `{% generation %}` marks, in bytes of UTF-8.
        package let generations: [Range<Int>]
    }

    /// Reads a template.
    ///
    /// - Throws: ``TemplateError`` with line and column.
    package init(_ text: String, limits: TemplateLimits = TemplateLimits()) throws(TemplateError) {
        guard text.unicodeScalars.count <= limits.source else {
            throw TemplateError(.limit, "the template has \(text.unicodeScalars.count) characters; at most \(limits.source) were expected")
        }
        let source = TemplateLexer.normalized(text)
        do { (statements, marksGenerations) = try TemplateParser.statements(of: source) } catch { throw error.located(in: source) }
        self.source = source
        self.limits = limits
    }

    /// Whether `{% generation %}` stands anywhere in it.
    package let marksGenerations: Bool

    /// What the template writes with `variables`.
    ///
    /// - Parameter strftime: writes the time as a format says, for `strftime_now`.
    /// - Throws: ``TemplateError`` with line and column.
    package func rendered(
        _ variables: [(name: String, value: TemplateValue)], strftime: @escaping (String) -> String
    ) throws(TemplateError) -> Rendered {
        let outer = Scope()
        for (name, value) in variables { outer[name] = value }
        let interpreter = Interpreter(scope: Scope(in: outer), limits: limits, strftime: strftime)
        do { try interpreter.run(statements) } catch { throw error.located(in: source) }
        return Rendered(text: interpreter.text, generations: interpreter.generations)
    }
}
