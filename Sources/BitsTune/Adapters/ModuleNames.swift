import BitsNN

/// Modules, by their names or by an expression.
public enum ModuleNames: Sendable, Equatable {
    /// Of these names: a whole path, or its end on a module boundary.
    case named([String])
    /// Whose whole path this regular expression matches.
    case matching(String)

    /// Whether a path is meant. An expression is read once.
    func lookup() throws(AdapterError) -> (String) -> Bool {
        switch self {
        case .named(let names): return { path in names.contains { path == $0 || path.hasSuffix("." + $0) } }
        case .matching(let text):
            let expression = try ModuleExpression(text)
            return { expression.matches($0) }
        }
    }
}

/// A regular expression as Python's `re.fullmatch` takes it, for the paths of modules.
///
/// What ``BitsNN/ModulePattern`` can read is matched in time linear in the path; the rest (looking ahead, references back, flags) by Swift's `Regex`.
struct ModuleExpression {
    /// Longer texts are no expressions: configurations come from outside.
    static let mostCharacters = 10_000

    private let linear: PathExpression?
    private let regex: Regex<AnyRegexOutput>?

    /// - Parameter shownAs: what the error quotes; the text itself unless given.
    init(_ text: String, shownAs shown: String? = nil) throws(AdapterError) {
        guard text.utf8.count <= ModuleExpression.mostCharacters else { throw .badExpression(String((shown ?? text).prefix(80)) + "...") }
        linear = PathExpression(text)
        do { regex = linear == nil ? try Regex(text) : nil } catch { throw .badExpression(shown ?? text) }
    }

    func matches(_ path: String) -> Bool { linear?.matchesWhole(path) ?? regex.map { (try? $0.wholeMatch(in: path)) != nil } ?? false }
}

/// Where the number of a block stands in a path.
struct BlockNumbers {
    private let names: [ModuleExpression]

    init(_ names: [String]) throws(AdapterError) { self.names = try names.map { name throws(AdapterError) in try ModuleExpression(name) } }

    /// The first number behind one of the names, with a module below it; without names the first number that stands below two modules. nil for none.
    func number(in path: String) -> Int? {
        let parts = path.split(separator: ".", omittingEmptySubsequences: false).map(String.init)
        let places = parts.indices.dropLast().filter { $0 > 0 && parts[$0].allSatisfy(\.isNumber) && !parts[$0].isEmpty }
        if names.isEmpty { return places.first { $0 > 1 }.flatMap { Int(parts[$0]) } }
        for name in names {
            for start in parts.indices {
                let place = places.first { $0 > start && name.matches(parts[start..<$0].joined(separator: ".")) }
                if let place { return Int(parts[place]) }
            }
        }
        return nil
    }
}
