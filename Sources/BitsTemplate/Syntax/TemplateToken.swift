/// A piece of a template's text.
struct TemplateToken: Equatable, Sendable {
    enum Kind: Equatable, Sendable {
        /// What stands between tags, as it is to be written.
        case text(String)
        case outputBegin
        case outputEnd
        case blockBegin
        case blockEnd
        case name(String)
        case string(String)
        case integer(Int)
        case float(Double)
        /// An operator or a bracket.
        case symbol(String)
        case end
    }

    var kind: Kind
    /// In Unicode scalars from the template's start.
    var offset: Int

    /// What it is, in words for errors.
    var description: String {
        switch kind {
        case .text: "text"
        case .outputBegin: "'{{'"
        case .outputEnd: "'}}'"
        case .blockBegin: "'{%'"
        case .blockEnd: "'%}'"
        case .name(let name): "'\(name)'"
        case .string: "a string"
        case .integer(let value): "'\(value)'"
        case .float(let value): "'\(value.pythonText)'"
        case .symbol(let symbol): "'\(symbol)'"
        case .end: "the template's end"
        }
    }
}
