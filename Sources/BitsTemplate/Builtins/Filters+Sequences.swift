extension Interpreter {
    /// The elements of what a filter works on.
    func elements(_ value: TemplateValue, _ filter: String) throws(TemplateError) -> [TemplateValue] {
        guard let elements = value.elements else { throw unusable(value, "\(filter) cannot go through a value of type \(value.typeName)") }
        try spend(elements.count)
        return elements
    }

    /// Filters that order, count and join; nil where `name` is none of them.
    func sequenceFilter(_ name: String, _ value: TemplateValue, _ arguments: CallArguments) throws(TemplateError) -> TemplateValue? {
        switch name {
        case "length", "count":
            guard let count = value.count else { throw unusable(value, "a value of type \(value.typeName) has no length") }
            return .integer(count)
        case "first":
            if case .object(let generator as TemplateGenerator) = value {
                return generator.next() ?? .undefined("there is no first item, the list is empty")
            }
            return try elements(value, name).first ?? .undefined("there is no first item, the list is empty")
        case "last": return try elements(value, name).last ?? .undefined("there is no last item, the list is empty")
        case "list": return .list(try elements(value, name))
        case "reverse":
            if case .string(let text) = value { return .string(String(scalars: text.unicodeScalars.reversed())) }
            return .object(TemplateGenerator(try elements(value, name).reversed()))
        case "items":
            if case .undefined = value { return .object(TemplateGenerator([])) }
            guard case .dictionary(let dictionary) = value else { throw TemplateError(.failed, "items needs a dictionary, not \(value.typeName)") }
            return .object(TemplateGenerator(dictionary.items.map { .tuple([$0.key, $0.value]) }))
        case "join":
            let given = try arguments.bound(name, "d", "attribute")
            let separator = try given[0].map { (separator) throws(TemplateError) in try text(of: separator) } ?? ""
            var result = ""
            for (index, element) in try elements(value, name).enumerated() {
                result += index > 0 ? separator : ""
                result += try text(of: try picked(given[1], from: element))
                try checkLength(result.utf8.count > limits.byteCount ? result.utf8.count : 256)
            }
            return try made(result)
        case "sum":
            let given = try arguments.bound(name, "attribute", "start")
            var sum = given[1] ?? .integer(0)
            for element in try elements(value, name) { sum = try arithmetic("+", sum, try picked(given[0], from: element)) }
            return sum
        case "sort":
            let given = try arguments.bound(name, "reverse", "case_sensitive", "attribute")
            return .list(try sorted(try elements(value, name), by: given[2], isCaseSensitive: given[1].isTrue, isReversed: given[0].isTrue))
        case "unique":
            try measure(value)
            let given = try arguments.bound(name, "case_sensitive", "attribute")
            var seen: Set<TemplateValue> = []
            var kept: [TemplateValue] = []
            for element in try elements(value, name)
            where seen.insert(key(try picked(given[1], from: element), isCaseSensitive: given[0].isTrue)).inserted {
                kept.append(element)
            }
            return .object(TemplateGenerator(kept))
        case "min", "max":
            let given = try arguments.bound(name, "case_sensitive", "attribute")
            let ordered = try sorted(try elements(value, name), by: given[1], isCaseSensitive: given[0].isTrue, isReversed: name == "max")
            return ordered.first ?? .undefined("there is no item, the list is empty")
        case "dictsort":
            let given = try arguments.bound(name, "case_sensitive", "by", "reverse")
            guard case .dictionary(let dictionary) = value else { throw unusable(value, "dictsort needs a dictionary, not \(value.typeName)") }
            let place = try given[1].string(name, default: "key") == "value" ? 1 : 0
            let pairs = dictionary.items.map { TemplateValue.tuple([$0.key, $0.value]) }
            return .list(try sorted(pairs, by: .integer(place), isCaseSensitive: given[0].isTrue, isReversed: given[2].isTrue))
        case "groupby":
            let given = try arguments.bound(name, "attribute", "default", "case_sensitive")
            return .list(try grouped(try elements(value, name), by: given))
        case "batch", "slice":
            let given = try arguments.bound(name, name == "batch" ? "linecount" : "slices", "fill_with")
            let count = try given[0].integer(name)
            guard count > 0 else { throw TemplateError(.failed, "\(name) needs a number above 0, not \(count)") }
            let all = try elements(value, name)
            return .object(
                TemplateGenerator((name == "batch" ? batches(all, of: count, given[1]) : slices(all, try spent(count), given[1])).map { .list($0) }))
        default: return nil
        }
    }

    private func spent(_ count: Int) throws(TemplateError) -> Int {
        try spend(count)
        return count
    }

    private func batches(_ all: [TemplateValue], of count: Int, _ fill: TemplateValue?) -> [[TemplateValue]] {
        stride(from: 0, to: all.count, by: count).map { start in
            let batch = Array(all[start..<min(all.count, start + min(count, all.count))])
            return batch + (fill.map { Array(repeating: $0, count: min(count, limits.steps / 100) - batch.count) } ?? [])
        }
    }

    private func slices(_ all: [TemplateValue], _ count: Int, _ fill: TemplateValue?) -> [[TemplateValue]] {
        let (length, longer) = (all.count / count, all.count % count)
        return (0..<count).map { index in
            let start = index * length + min(index, longer)
            let slice = Array(all[start..<start + length + (index < longer ? 1 : 0)])
            return slice + (index >= longer ? fill.map { [$0] } ?? [] : [])
        }
    }

    // MARK: Order

    /// What elements are compared by: texts without their case unless that counts.
    private func key(_ value: TemplateValue, isCaseSensitive: Bool) -> TemplateValue {
        if !isCaseSensitive, case .string(let text) = value { return .string(text.lowercased()) }
        return value
    }

    private func sorted(
        _ elements: [TemplateValue], by attribute: TemplateValue?, isCaseSensitive: Bool, isReversed: Bool
    ) throws(TemplateError) -> [TemplateValue] {
        var keyed: [(key: TemplateValue, value: TemplateValue)] = []
        for element in elements { keyed.append((key(try picked(attribute, from: element), isCaseSensitive: isCaseSensitive), element)) }
        try spend(elements.count * 16 + (try measure(.list(keyed.map(\.key)))) / 16)
        for (a, b) in zip(keyed, keyed.dropFirst()) where a.key.precedes(b.key) == nil {
            throw unusable(a.key, "values of type \(a.key.typeName) and \(b.key.typeName) have no order")
        }
        // Equal elements keep their order, in either direction.
        let ordered = keyed.enumerated().sorted { a, b in
            let (x, y) = isReversed ? (b.element.key, a.element.key) : (a.element.key, b.element.key)
            return x.precedes(y) ?? false || !(y.precedes(x) ?? false) && a.offset < b.offset
        }
        return ordered.map(\.element.value)
    }

    private func grouped(_ elements: [TemplateValue], by arguments: [TemplateValue?]) throws(TemplateError) -> [TemplateValue] {
        let attribute = try arguments[0].required("groupby", "an attribute")
        let isCaseSensitive = arguments[2].isTrue
        func group(of element: TemplateValue) throws(TemplateError) -> TemplateValue {
            let value = try picked(attribute, from: element)
            if case .undefined = value, let standard = arguments[1] { return standard }
            return value
        }
        var groups: [(key: TemplateValue, name: TemplateValue, elements: [TemplateValue])] = []
        for element in try sorted(elements, by: attribute, isCaseSensitive: isCaseSensitive, isReversed: false) {
            let name = try group(of: element)
            let key = key(name, isCaseSensitive: isCaseSensitive)
            if groups.last?.key == key { groups[groups.count - 1].elements.append(element) } else { groups.append((key, name, [element])) }
        }
        return groups.map { .tuple([$0.name, .list($0.elements)]) }
    }
}
