/// What a function, filter, test or method was called with.
struct CallArguments {
    var positional: [TemplateValue] = []
    var named: [(name: String, value: TemplateValue)] = []

    init(_ positional: [TemplateValue] = [], named: [(name: String, value: TemplateValue)] = []) {
        self.positional = positional
        self.named = named
    }

    /// The arguments in the order of `parameters`; nil for those that were not given.
    ///
    /// - Throws: ``TemplateError`` for one too many, of an unknown name, or given twice.
    func bound(_ function: String, _ parameters: String...) throws(TemplateError) -> [TemplateValue?] {
        guard positional.count <= parameters.count else {
            throw TemplateError(.failed, "\(function) takes \(parameters.count) arguments at most, not \(positional.count)")
        }
        var values: [TemplateValue?] = positional + Array(repeating: nil, count: parameters.count - positional.count)
        for (name, value) in named {
            guard let index = parameters.firstIndex(of: name) else {
                throw TemplateError(
                    .failed,
                    "\(function) has no argument '\(name)'; \(parameters.isEmpty ? "it takes none" : "there are: \(parameters.joined(separator: ", "))")"
                )
            }
            guard values[index] == nil else { throw TemplateError(.failed, "\(function) was given '\(name)' twice") }
            values[index] = value
        }
        return values
    }

    /// The arguments but the first.
    func dropFirst() -> CallArguments { CallArguments(Array(positional.dropFirst()), named: named) }
}

/// What an argument has to be.
extension Optional<TemplateValue> {
    func required(_ function: String, _ what: String) throws(TemplateError) -> TemplateValue {
        guard let self else { throw TemplateError(.failed, "\(function) needs \(what)") }
        return self
    }

    func string(_ function: String, default standard: String? = nil) throws(TemplateError) -> String {
        switch self {
        case .string(let text)?: return text
        case nil: if let standard { return standard }
        default: break
        }
        throw TemplateError(.failed, "\(function) needs a text, not \(self.map(\.typeName) ?? "nothing")")
    }

    func integer(_ function: String, default standard: Int? = nil) throws(TemplateError) -> Int {
        switch self {
        case .integer(let value)?: return value
        case .bool(let value)?: return value ? 1 : 0
        case nil: if let standard { return standard }
        default: break
        }
        throw TemplateError(.failed, "\(function) needs a whole number, not \(self.map(\.typeName) ?? "nothing")")
    }

    /// nil where it is not given, or is none.
    func optionalInteger(_ function: String) throws(TemplateError) -> Int? {
        if case .some(.none) = self { return nil }
        return self == nil ? nil : try integer(function)
    }

    var isTrue: Bool { self.map(\.isTrue) ?? false }
}
