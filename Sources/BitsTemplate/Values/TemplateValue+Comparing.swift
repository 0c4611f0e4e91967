/// Equality as Python has it: numbers and booleans by value, texts by their code points, and everything that is not there alike.
extension TemplateValue: Hashable {
    package static func == (a: TemplateValue, b: TemplateValue) -> Bool {
        switch (a, b) {
        case (.undefined, .undefined), (.none, .none): return true
        case (.string(let x), .string(let y)): return x.utf8.elementsEqual(y.utf8)
        case (.list(let x), .list(let y)), (.tuple(let x), .tuple(let y)): return x == y
        case (.dictionary(let x), .dictionary(let y)): return x.keys.count == y.keys.count && x.keys.allSatisfy { x[$0] == y[$0] }
        case (.object(let x), .object(let y)): return x === y
        default:
            guard let x = a.number, let y = b.number else { return false }
            if case (.integer(let x), .integer(let y)) = (x, y) { return x == y }
            return x.double == y.double
        }
    }

    package func hash(into hasher: inout Hasher) {
        switch self {
        case .undefined, .none: hasher.combine(0)
        case .string(let text): hasher.combine(text)
        case .list(let elements), .tuple(let elements): hasher.combine(elements)
        case .dictionary(let dictionary): hasher.combine(dictionary.keys.count)
        case .object(let object): hasher.combine(ObjectIdentifier(object))
        case .bool, .integer, .float: hasher.combine(number?.double)
        }
    }

    /// Whether it comes before `other`; nil where Python has no order for the two.
    func precedes(_ other: TemplateValue) -> Bool? {
        switch (self, other) {
        case (.string(let x), .string(let y)): return x.unicodeScalars.lexicographicallyPrecedes(y.unicodeScalars)
        case (.list(let x), .list(let y)), (.tuple(let x), .tuple(let y)):
            for (a, b) in zip(x, y) where a != b { return a.precedes(b) }
            return x.count < y.count
        default:
            guard let x = number, let y = other.number else { return nil }
            if case (.integer(let x), .integer(let y)) = (x, y) { return x < y }
            return x.double < y.double
        }
    }

    /// What Python's `in` says of `element`; nil where nothing can be in the value.
    func contains(_ element: TemplateValue) -> Bool? {
        switch self {
        case .string(let text):
            guard case .string(let part) = element else { return nil }
            return text.finds(part) != nil
        case .dictionary(let dictionary): return dictionary[element] != nil
        default: return elements.map { $0.contains(element) }
        }
    }
}
