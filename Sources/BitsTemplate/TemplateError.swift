/// Why a template cannot be read or rendered, and where.
package struct TemplateError: Error, Equatable {
    package enum Kind: Sendable {
        /// The text breaks the rules of the language.
        case syntax
        /// It asks for something that is not implemented.
        case unsupported
        /// An operation met a value that it is not for.
        case failed
        /// The template refused what it was given, by `raise_exception`.
        case raised
        /// It ran for too long, too deep, or wrote too much.
        case limit
    }

    package let kind: Kind
    package let message: String
    /// From 1; nil where no place in the template is to blame.
    package private(set) var line: Int?
    package private(set) var column: Int?
    /// In Unicode scalars from the start.
    private(set) var offset: Int?

    init(_ kind: Kind, _ message: String, at offset: Int? = nil) {
        self.kind = kind
        self.message = message
        self.offset = offset
    }

    /// The same error at `offset`, unless it knows its place.
    func placed(at offset: Int) -> TemplateError {
        self.offset == nil ? TemplateError(kind, message, at: offset) : self
    }

    /// The same error with line and column in `source`.
    func located(in source: [Unicode.Scalar]) -> TemplateError {
        guard let offset else { return self }
        var error = self
        let before = source.prefix(offset)
        error.line = before.count { $0 == "\n" } + 1
        error.column = offset - (before.lastIndex(of: "\n") ?? -1)
        return error
    }
}

extension TemplateError: CustomStringConvertible {
    package var description: String {
        let place = line.flatMap { line in column.map { ", at line \(line), column \($0)" } } ?? ""
        return switch kind {
        case .raised: "the template says: \(message)\(place)"
        default: message + place
        }
    }
}
