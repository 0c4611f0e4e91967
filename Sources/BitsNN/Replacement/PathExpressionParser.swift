/// Reads a ``PathExpression``.
struct PathExpressionParser {
    indirect enum Node {
        case character(PathCharacters)
        case sequence([Node])
        case choice([Node])
        /// Without an upper bound where `most` is nil.
        case repeated(Node, least: Int, most: Int?)
        case start, end
    }

    struct NotAnExpression: Error {}

    private let characters: [Character]
    private var position = 0
    private var depth = 0

    init(_ text: String) { characters = Array(text) }

    mutating func parse() throws -> Node {
        let node = try choice()
        guard position == characters.count else { throw NotAnExpression() }
        return node
    }

    private var next: Character? { position < characters.count ? characters[position] : nil }

    private mutating func take(_ text: String) -> Bool {
        guard characters[position...].starts(with: text) else { return false }
        position += text.count
        return true
    }

    private mutating func takeAny() throws -> Character {
        guard let next else { throw NotAnExpression() }
        position += 1
        return next
    }

    private mutating func choice() throws -> Node {
        var nodes = [try sequence()]
        while take("|") { nodes.append(try sequence()) }
        return .choice(nodes)
    }

    private mutating func sequence() throws -> Node {
        var nodes: [Node] = []
        while let next, next != "|", next != ")" { nodes.append(try repetition(of: try atom())) }
        return .sequence(nodes)
    }

    private mutating func atom() throws -> Node {
        switch try takeAny() {
        case "(": return try group()
        case "[": return .character(try set())
        case ".": return .character(.any)
        case "^": return .start
        case "$": return .end
        case "*", "+", "?": throw NotAnExpression()
        case "\\":
            let letter = try takeAny()
            if let set = PathCharacters(class: letter) { return .character(set) }
            return .character(PathCharacters(ranges: [try escaped(letter)]))
        case let character: return .character(PathCharacters(ranges: [character...character]))
        }
    }

    /// What is behind an opening bracket, a look ahead or behind and named groups excepted.
    private mutating func group() throws -> Node {
        depth += 1
        defer { depth -= 1 }
        if next == "?", !take("?:") { throw NotAnExpression() }
        guard depth <= 50 else { throw NotAnExpression() }
        let node = try choice()
        guard take(")") else { throw NotAnExpression() }
        return node
    }

    /// A character behind a backslash that stands for itself; letters and digits have meanings of their own.
    private func escaped(_ character: Character) throws -> ClosedRange<Character> {
        guard !character.isLetter, !character.isNumber else { throw NotAnExpression() }
        return character...character
    }

    /// What is behind `[`.
    private mutating func set() throws -> PathCharacters {
        var set = PathCharacters(ranges: [], isNegated: take("^"))
        var isFirst = true
        while isFirst || next != "]" {
            isFirst = false
            var low = try takeAny()
            if low == "\\" {
                low = try takeAny()
                if let known = PathCharacters(class: low) {
                    guard !known.isNegated else { throw NotAnExpression() }
                    set.ranges += known.ranges
                    continue
                }
                _ = try escaped(low)
            }
            var high = low
            if next == "-", position + 1 < characters.count, characters[position + 1] != "]" {
                position += 1
                high = try takeAny()
                guard high != "\\", low <= high else { throw NotAnExpression() }
            }
            set.ranges.append(low...high)
        }
        position += 1
        return set
    }

    private mutating func repetition(of node: Node) throws -> Node {
        let bounds: (least: Int, most: Int?)
        switch next {
        case "*": (bounds, position) = ((0, nil), position + 1)
        case "+": (bounds, position) = ((1, nil), position + 1)
        case "?": (bounds, position) = ((0, 1), position + 1)
        case "{":
            guard let counted = try counted() else { return node }
            bounds = counted
        default: return node
        }
        _ = take("?")
        guard next != "*", next != "+", next != "?" else { throw NotAnExpression() }
        return .repeated(node, least: bounds.least, most: bounds.most)
    }

    /// `{2}`, `{2,}`, `{2,5}`; nil where the bracket stands for itself.
    private mutating func counted() throws -> (least: Int, most: Int?)? {
        guard let close = characters[position...].firstIndex(of: "}") else { return nil }
        let parts = characters[position + 1..<close].split(separator: ",", omittingEmptySubsequences: false).map { Int(String($0)) }
        guard let least = parts[0], least >= 0, parts.count <= 2 else { return nil }
        let isOpen = parts.count == 2 && characters[close - 1] == ","
        guard let most = parts.count == 1 ? least : isOpen ? Int.max : parts[1] else { return nil }
        guard least <= 1000, isOpen || most <= 1000, least <= most else { throw NotAnExpression() }
        position = close + 1
        return (least, isOpen ? nil : most)
    }
}
