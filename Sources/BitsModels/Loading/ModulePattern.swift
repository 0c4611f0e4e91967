/// An entry of a skip list: the path of a module, its beginning on a module boundary, or its end.
struct ModulePattern {
    private let text: String

    init(_ text: String) { self.text = text }

    /// Whether the module at `path` is meant: `lm_head`, `model.layers.0` (and all below it), `down_proj`.
    func matches(_ path: String) -> Bool {
        guard !text.isEmpty else { return false }
        return path == text || path.hasPrefix(text + ".") || path.hasSuffix("." + text) || path.contains("." + text + ".")
    }
}
