/// What a template may use up. Templates come with models, from anywhere: one that loops for ever is stopped and told.
package struct TemplateLimits: Sendable {
    /// Length of the template itself, in Unicode scalars.
    package var source = 1 << 20
    /// Expressions and statements that are carried out. Work with long texts and lists counts by their length.
    package var steps = 10_000_000
    /// Bytes of the text that is written, and of any text along the way.
    package var byteCount = 64 << 20
    /// Statements, parentheses and calls inside each other.
    package var depth = 200
    /// Lists and dictionaries inside each other.
    package var nesting = 64

    package init() {}
}
