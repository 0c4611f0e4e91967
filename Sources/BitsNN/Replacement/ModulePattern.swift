/// An entry of a skip list: which modules are meant.
///
/// | matches | example |
/// |---|---|
/// | the path itself | `model.layers.0.mlp.up_proj` |
/// | the beginning of the path, up to a boundary | `model.layers.1`, not `model.layers.10.mlp.up_proj` |
/// | the end of the path | `down_proj`, `proj` |
/// | as a regular expression, from the beginning up to a boundary | `model\.layers\.[0-3]`, `.*\.mlp` |
///
/// A text that is no regular expression is taken as it is. Reference: `llm_int8_skip_modules`.
public struct ModulePattern {
    public let text: String
    private let expression: Regex<AnyRegexOutput>?

    public init(_ text: String) {
        self.text = text
        expression = try? Regex("(?:\(text))(?=\\.|$)")
    }

    /// Whether the module at `path` is meant. An empty pattern matches nothing.
    public func matches(_ path: String) -> Bool {
        guard !text.isEmpty else { return false }
        if path.hasSuffix(text) || path.hasPrefix(text + ".") { return true }
        guard let expression else { return false }
        return path.prefixMatch(of: expression) != nil
    }
}
