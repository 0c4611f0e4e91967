/// An entry of a skip list: which modules are meant.
///
/// | matches | example |
/// |---|---|
/// | the path itself | `model.layers.0.mlp.up_proj` |
/// | the beginning of the path, up to a boundary | `model.layers.1`, not `model.layers.10.mlp.up_proj` |
/// | the end of the path | `down_proj`, `proj` |
/// | as a regular expression, from the beginning up to a boundary | `model\.layers\.[0-3]`, `.*\.mlp` |
///
/// Expressions have characters, classes, groups, choices and repetitions; one that looks ahead or behind, refers back, or is no expression at all is
/// taken as it is. Any expression is matched in time linear in the path. Reference: `llm_int8_skip_modules`.
public struct ModulePattern {
    public let text: String
    private let expression: PathExpression?

    public init(_ text: String) {
        self.text = text
        expression = PathExpression(text)
    }

    /// Whether the module at `path` is meant. An empty pattern matches nothing.
    public func matches(_ path: String) -> Bool {
        guard !text.isEmpty else { return false }
        if path.hasSuffix(text) || path.hasPrefix(text + ".") { return true }
        return expression?.matchesBeginning(of: path) ?? false
    }
}
