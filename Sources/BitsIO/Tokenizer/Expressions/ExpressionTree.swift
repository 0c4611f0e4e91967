/// A regular expression as it is written: what follows what, what may stand for what.
indirect enum ExpressionTree: Sendable {
    case set(ScalarSet)
    case sequence([ExpressionTree])
    /// The first that leads to a match counts.
    case choice([ExpressionTree])
    case repeated(ExpressionTree, minimum: Int, maximum: Int?, isLazy: Bool)
    /// What is matched inside is not given back when the rest does not match. The place is that in the expression.
    case atomic(ExpressionTree, position: Int)
    /// Whether the text goes on with a match.
    case ahead(ExpressionTree, isNegative: Bool)
    /// Whether the next character is in the set, or there is none.
    case next(ScalarSet, orEnd: Bool)
    /// Whether the character before is in the set, or there is none.
    case previous(ScalarSet, orStart: Bool)

    static let empty = sequence([])

    /// The set, where this is one character.
    var single: ScalarSet? {
        switch self {
        case .set(let set): set
        case .sequence(let parts): parts.count == 1 ? parts[0].single : nil
        case .choice(let parts): parts.allSatisfy { $0.single != nil } ? ScalarSet(joining: parts.flatMap { $0.single?.ranges ?? [] }) : nil
        case .atomic(let part, _): part.single
        default: nil
        }
    }

    /// Whether this matches the empty text wherever it stands.
    private var isOptional: Bool {
        switch self {
        case .set, .ahead, .next, .previous: false
        case .sequence(let parts): parts.allSatisfy(\.isOptional)
        case .choice(let parts): parts.contains(where: \.isOptional)
        case .repeated(let part, let minimum, _, _): minimum == 0 || part.isOptional
        case .atomic(let part, _): part.isOptional
        }
    }

    /// The same without ``atomic(_:position:)`` and with what one character decides in place of looking ahead.
    ///
    /// What is not given back needs no memory where nothing can ask for it (what follows always matches), or where a repeat of one character
    /// ends before another one.
    ///
    /// - Parameter isFree: whether what follows always matches.
    func resolved(isFree: Bool = true) throws(ExpressionError) -> ExpressionTree {
        switch self {
        case .set, .next, .previous: return self
        case .sequence(let parts):
            var resolved = [ExpressionTree]()
            var isFree = isFree
            for part in parts.reversed() {
                resolved.append(try part.resolved(isFree: isFree))
                isFree = isFree && part.isOptional
            }
            return .sequence(resolved.reversed())
        case .choice(let parts):
            if let single { return .set(single) }
            return .choice(try parts.map { (part) throws(ExpressionError) in try part.resolved(isFree: isFree) })
        case .repeated(let part, let minimum, let maximum, let isLazy):
            let isFree = isFree && !isLazy && (minimum <= 1 || part.isOptional)
            return .repeated(try part.resolved(isFree: isFree), minimum: minimum, maximum: maximum, isLazy: isLazy)
        case .ahead(let part, let isNegative):
            if let set = part.single { return .next(isNegative ? set.inverted : set, orEnd: isNegative) }
            return .ahead(try part.resolved(), isNegative: isNegative)
        case .atomic(let part, let position):
            if isFree { return try part.resolved() }
            return try part.keptWhole(position)
        }
    }

    /// What is matched and never given back, where that can be said without remembering it.
    private func keptWhole(_ position: Int) throws(ExpressionError) -> ExpressionTree {
        switch self {
        case .set, .next, .previous: return self
        case .ahead: return try resolved()
        case .atomic(let part, _): return try part.keptWhole(position)
        case .sequence(let parts) where parts.count == 1: return try parts[0].keptWhole(position)
        case .sequence(let parts):
            // Parts that match in one way alone have nothing to give back.
            guard parts.dropLast().allSatisfy({ $0.single != nil }), let last = parts.last else { break }
            return .sequence(parts.dropLast() + [try last.keptWhole(position)])
        case .repeated(let part, let minimum, let maximum, let isLazy):
            guard let set = part.single, !isLazy || maximum == minimum else { break }
            let rest = ExpressionTree.next(set.inverted, orEnd: true)
            guard let maximum else { return .sequence([self, rest]) }
            guard maximum > minimum else { return self }
            // As many as there are: all that are allowed, or fewer and then another character.
            let all = ExpressionTree.repeated(.set(set), minimum: maximum, maximum: maximum, isLazy: false)
            let fewer = ExpressionTree.repeated(.set(set), minimum: minimum, maximum: maximum - 1, isLazy: false)
            return .choice([all, .sequence([fewer, rest])])
        case .choice:
            if let single { return .set(single) }
        }
        throw ExpressionError(position, "a possessive repeat or atomic group of more than one character")
    }
}

/// Why a regular expression is not understood.
struct ExpressionError: Error, Equatable {
    /// The place in the expression, in characters from 0.
    var position: Int
    /// What is there, and not implemented or not allowed.
    var reason: String

    init(_ position: Int, _ reason: String) {
        self.position = position
        self.reason = reason
    }
}
