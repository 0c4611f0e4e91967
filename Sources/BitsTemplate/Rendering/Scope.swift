/// The variables of a block, and those around it. A loop's round, a macro's call and `with` have a scope of their own; `if` has none.
final class Scope {
    private var variables: [String: TemplateValue] = [:]
    private let parent: Scope?

    init(in parent: Scope? = nil) { self.parent = parent }

    subscript(name: String) -> TemplateValue? {
        get {
            var scope: Scope? = self
            while let current = scope {
                if let value = current.variables[name] { return value }
                scope = current.parent
            }
            return nil
        }
        set { variables[name] = newValue }
    }
}
