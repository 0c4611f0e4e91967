/// A regular expression that is matched in time linear in the path: all ways are followed at once, none is tried again.
///
/// | part | |
/// |---|---|
/// | one character | any other character, `.`, `\.`, `\d` `\w` `\s` and their opposites `\D` `\W` `\S`, `[a-z_]`, `[^0-9]` |
/// | repeated | `*`, `+`, `?`, `{2}`, `{2,}`, `{2,5}`; a `?` behind them changes nothing |
/// | together | `(...)`, `(?:...)`, `a\|b` |
/// | places | `^`, `$` |
///
/// Thompson 1968, "Regular Expression Search Algorithm", Communications of the ACM 11(6).
package struct PathExpression {
    enum Instruction {
        case character(PathCharacters)
        /// Goes on at both places.
        case split(Int, Int)
        case jump(Int)
        case start
        case end
        case match
    }

    /// Larger expressions are none.
    static let mostInstructions = 10_000

    private let program: [Instruction]

    /// nil for a text that is no such expression.
    package init?(_ text: String) {
        var parser = PathExpressionParser(text)
        guard let node = try? parser.parse() else { return nil }
        var program: [Instruction] = []
        guard (try? PathExpression.emit(node, into: &program)) != nil else { return nil }
        self.program = program + [.match]
    }

    /// Whether the expression matches the beginning of `path` up to a point or the end.
    func matchesBeginning(of path: String) -> Bool { matches(path) { $0 == nil || $0 == "." } }

    /// Whether the expression matches `path` from its beginning to its end.
    package func matchesWhole(_ path: String) -> Bool { matches(path) { $0 == nil } }

    /// Whether the expression matches the beginning of `path` up to a place where `mayEnd` is true of the character behind it, nil at the end.
    private func matches(_ path: String, mayEnd: (Character?) -> Bool) -> Bool {
        let characters = Array(path)
        var places = closure([0], at: 0, of: characters.count)
        for position in 0...characters.count {
            if places.contains(program.count - 1), mayEnd(position == characters.count ? nil : characters[position]) { return true }
            guard position < characters.count, !places.isEmpty else { return false }
            let next = places.compactMap { place -> Int? in
                guard case .character(let set) = program[place], set.contains(characters[position]) else { return nil }
                return place + 1
            }
            places = closure(next, at: position + 1, of: characters.count)
        }
        return false
    }

    /// All places that are reached from `places` without a character.
    private func closure(_ places: [Int], at position: Int, of count: Int) -> [Int] {
        var seen = [Bool](repeating: false, count: program.count)
        var reached: [Int] = []
        var waiting = places
        while let place = waiting.popLast() {
            if seen[place] { continue }
            seen[place] = true
            switch program[place] {
            case .character, .match: reached.append(place)
            case .split(let a, let b): waiting += [a, b]
            case .jump(let target): waiting.append(target)
            case .start: if position == 0 { waiting.append(place + 1) }
            case .end: if position == count { waiting.append(place + 1) }
            }
        }
        return reached
    }

    private static func emit(_ node: PathExpressionParser.Node, into program: inout [Instruction]) throws {
        guard program.count < mostInstructions else { throw PathExpressionParser.NotAnExpression() }
        switch node {
        case .character(let set): program.append(.character(set))
        case .start: program.append(.start)
        case .end: program.append(.end)
        case .sequence(let nodes): for node in nodes { try emit(node, into: &program) }
        case .choice(let nodes):
            var exits: [Int] = []
            for node in nodes.dropLast() {
                let fork = program.count
                program.append(.split(fork + 1, 0))
                try emit(node, into: &program)
                exits.append(program.count)
                program.append(.jump(0))
                program[fork] = .split(fork + 1, program.count)
            }
            if let last = nodes.last { try emit(last, into: &program) }
            for place in exits { program[place] = .jump(program.count) }
        case .repeated(let node, let least, let most):
            for _ in 0..<least {
                program.append(.jump(program.count + 1))
                try emit(node, into: &program)
            }
            guard let most else {
                let fork = program.count
                program.append(.split(fork + 1, 0))
                try emit(node, into: &program)
                program.append(.jump(fork))
                program[fork] = .split(fork + 1, program.count)
                return
            }
            for _ in least..<most {
                let fork = program.count
                program.append(.split(fork + 1, 0))
                try emit(node, into: &program)
                program[fork] = .split(fork + 1, program.count)
            }
        }
    }
}

/// Characters that one place of an expression matches.
struct PathCharacters {
    var ranges: [ClosedRange<Character>]
    var isNegated = false

    static let any = PathCharacters(ranges: [], isNegated: true)

    func contains(_ character: Character) -> Bool { ranges.contains { $0.contains(character) } != isNegated }

    /// The class behind a backslash; nil where the letter names none.
    init?(class letter: Character) {
        switch letter.lowercased() {
        case "d": ranges = ["0"..."9"]
        case "w": ranges = ["a"..."z", "A"..."Z", "0"..."9", "_"..."_"]
        case "s": ranges = [" "..." ", "\t"..."\r"]
        default: return nil
        }
        isNegated = letter.isUppercase
    }

    init(ranges: [ClosedRange<Character>], isNegated: Bool = false) { (self.ranges, self.isNegated) = (ranges, isNegated) }
}
