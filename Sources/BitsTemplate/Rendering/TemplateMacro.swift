/// A macro: a function that a template defines, with the variables around it.
final class TemplateMacro: TemplateObject {
    let typeName = "Macro"
    private let macro: Statement.Macro
    private let scope: Scope

    init(_ macro: Statement.Macro, scope: Scope) {
        self.macro = macro
        self.scope = scope
    }

    func attribute(_ name: String) -> TemplateValue? { name == "name" ? .string(macro.name) : nil }

    /// What the macro writes. Arguments beyond its parameters are `varargs` and `kwargs`, where it reads those; a parameter that is not given and has no default
    /// is not there.
    func call(_ arguments: CallArguments, _ interpreter: Interpreter) throws(TemplateError) -> TemplateValue {
        let inner = Scope(in: scope)
        let names = macro.parameters.map(\.name)
        var others = TemplateDictionary()
        guard arguments.positional.count <= names.count || macro.takesMore.contains("varargs") else {
            throw TemplateError(.failed, "the macro '\(macro.name)' takes \(names.count) arguments at most, not \(arguments.positional.count)")
        }
        var given = Dictionary(zip(names, arguments.positional)) { $1 }
        for (name, value) in arguments.named {
            if name == "caller", macro.takesMore.contains("caller") {
                inner[name] = value
            } else if names.contains(name) {
                guard given.updateValue(value, forKey: name) == nil else {
                    throw TemplateError(.failed, "the macro '\(macro.name)' was given '\(name)' twice")
                }
            } else if macro.takesMore.contains("kwargs") {
                others.set(.string(name), to: value)
            } else {
                throw TemplateError(.failed, "the macro '\(macro.name)' has no parameter '\(name)'; there are: \(names.joined(separator: ", "))")
            }
        }
        inner["varargs"] = .tuple(Array(arguments.positional.dropFirst(names.count)))
        inner["kwargs"] = .dictionary(others)
        return try interpreter.within(inner) { () throws(TemplateError) in
            for parameter in macro.parameters {
                if let value = given[parameter.name] {
                    inner[parameter.name] = value
                } else if let standard = parameter.standard {
                    inner[parameter.name] = try interpreter.evaluate(standard)
                } else {
                    inner[parameter.name] = .undefined("parameter '\(parameter.name)' was not provided")
                }
            }
            return .string(try interpreter.captured { () throws(TemplateError) in try interpreter.run(macro.body) })
        }
    }
}
