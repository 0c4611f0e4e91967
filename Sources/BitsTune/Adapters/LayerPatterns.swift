/// A value for the layers that an expression matches at their path's end, on a module boundary; of several that match the first counts.
public struct LayerPatterns<Value: Sendable & Equatable>: Sendable, Equatable, ExpressibleByDictionaryLiteral {
    public struct Entry: Sendable, Equatable {
        public let expression: String
        public let value: Value
    }

    public private(set) var entries: [Entry] = []

    public init(dictionaryLiteral elements: (String, Value)...) {
        for (expression, value) in elements { append(expression, value) }
    }

    public mutating func append(_ expression: String, _ value: Value) { entries.append(Entry(expression: expression, value: value)) }

    public var isEmpty: Bool { entries.isEmpty }

    /// The expressions that match none of the paths.
    func unmatched(in paths: [String]) throws(AdapterError) -> [String] {
        let expressions = try entries.map { entry throws(AdapterError) in try LayerPatterns.expression(entry) }
        return zip(entries, expressions).filter { !paths.contains(where: $1.matches) }.map(\.0.expression)
    }

    /// The value for a path. Each expression is read once.
    func lookup() throws(AdapterError) -> (String) -> Value? {
        let expressions = try entries.map { entry throws(AdapterError) in
            (try LayerPatterns.expression(entry), entry.value)
        }
        return { path in expressions.first { $0.0.matches(path) }?.1 }
    }

    private static func expression(_ entry: Entry) throws(AdapterError) -> ModuleExpression {
        try ModuleExpression("(?:.*\\.)?(?:\(entry.expression))", shownAs: entry.expression)
    }
}
