extension Interpreter {
    /// Filters that choose elements or something of each; nil where `name` is none of them.
    func pickingFilter(_ name: String, _ value: TemplateValue, _ arguments: CallArguments) throws(TemplateError) -> TemplateValue? {
        switch name {
        case "map": return .object(TemplateGenerator(try mapped(try elements(value, name), arguments)))
        case "select", "reject":
            let test = try arguments.positional.first.map { (test) throws(TemplateError) in try Optional(test).string(name) }
            return try chosen(name, value) { (element) throws(TemplateError) in
                try test.map { (test) throws(TemplateError) in try self.test(test, element, arguments.dropFirst()) } ?? element.isTrue
            }
        case "selectattr", "rejectattr":
            let attribute = try arguments.positional.first.required(name, "an attribute's name")
            let rest = arguments.dropFirst()
            let test = try rest.positional.first.map { (test) throws(TemplateError) in try Optional(test).string(name) }
            return try chosen(name, value) { (element) throws(TemplateError) in
                let picked = try self.picked(attribute, from: element)
                return try test.map { (test) throws(TemplateError) in try self.test(test, picked, rest.dropFirst()) } ?? picked.isTrue
            }
        default: return nil
        }
    }

    private func chosen(
        _ name: String, _ value: TemplateValue, _ holds: (TemplateValue) throws(TemplateError) -> Bool
    ) throws(TemplateError) -> TemplateValue {
        var kept: [TemplateValue] = []
        let isSelecting = name.hasPrefix("select")
        for element in try elements(value, name) where try holds(element) == isSelecting { kept.append(element) }
        return .object(TemplateGenerator(kept))
    }

    /// `map("filter", arguments...)`, or `map(attribute="name", default=value)`.
    private func mapped(_ elements: [TemplateValue], _ arguments: CallArguments) throws(TemplateError) -> [TemplateValue] {
        var results: [TemplateValue] = []
        if arguments.positional.isEmpty {
            let attribute = try arguments.bound("map", "filter", "attribute", "default")
            let name = try attribute[1].required("map", "a filter's name, or attribute=")
            for element in elements {
                let value = try picked(name, from: element)
                if case .undefined = value, let standard = attribute[2] { results.append(standard) } else { results.append(value) }
            }
            return results
        }
        let filter = try arguments.positional.first.string("map")
        for element in elements { results.append(try self.filter(filter, element, arguments.dropFirst())) }
        return results
    }

    /// What `attribute` asks for of `element`: `"a.b.0"` goes down step by step, a number is an index, none is the element itself.
    func picked(_ attribute: TemplateValue?, from element: TemplateValue) throws(TemplateError) -> TemplateValue {
        switch attribute {
        case nil, .some(.none): return element
        case .string(let path)?:
            var value = element
            for part in path.split(separator: ".", omittingEmptySubsequences: false) {
                value = try self.element(Int(part).map { .integer($0) } ?? .string(String(part)), of: value)
            }
            return value
        case let key?: return try self.element(key, of: element)
        }
    }
}
