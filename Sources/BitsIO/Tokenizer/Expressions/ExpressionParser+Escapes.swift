extension ExpressionParser {
    /// A backslash and what it stands for.
    mutating func escape() throws(ExpressionError) -> ExpressionTree {
        let start = position
        if let set = try classEscape() { return .set(set) }
        guard let scalar = peek(1) else { throw error("a backslash at the end") }
        let lineEnds = ScalarSet(joining: [0x0a..<0x0e, 0x85..<0x86, 0x2028..<0x202a])
        let tree: ExpressionTree
        switch scalar {
        case "A": tree = .previous(ScalarSet(), orStart: true)
        case "z": tree = .next(ScalarSet(), orEnd: true)
        case "Z":
            tree = .choice([
                .next(ScalarSet(), orEnd: true), .ahead(.sequence([.set(ScalarSet(0x0a)), .next(ScalarSet(), orEnd: true)]), isNegative: false),
            ])
        case "b": tree = ExpressionParser.boundary(of: .word, isThere: true)
        case "B": tree = ExpressionParser.boundary(of: .word, isThere: false)
        case "R":
            let feed = ScalarSet(0x0a)
            tree = .choice([
                .sequence([.set(ScalarSet(0x0d)), .set(feed)]), .sequence([.set(ScalarSet(0x0d)), .next(feed.inverted, orEnd: true)]),
                .set(lineEnds.subtracting(ScalarSet(0x0d))),
            ])
        case "N": tree = .set(ScalarSet(0x0a).inverted)
        case "O": tree = .set(.all)
        default: return .set(literal(try characterEscape(), at: start))
        }
        position += 2
        return tree
    }

    /// Where a word starts or ends, or where none does.
    private static func boundary(of word: ScalarSet, isThere: Bool) -> ExpressionTree {
        let (before, after) = (ExpressionTree.previous(word, orStart: false), ExpressionTree.next(word, orEnd: false))
        let (notBefore, notAfter) = (ExpressionTree.previous(word.inverted, orStart: true), ExpressionTree.next(word.inverted, orEnd: true))
        let pairs = isThere ? [[before, notAfter], [notBefore, after]] : [[before, after], [notBefore, notAfter]]
        return .choice(pairs.map { .sequence($0) })
    }

    /// `\s`, `\p{L}` and their like; nil, and nothing read, for other escapes.
    ///
    /// - Parameter word: what `\w` stands for, which is not the same in brackets.
    mutating func classEscape(word: ScalarSet = .word) throws(ExpressionError) -> ScalarSet? {
        guard peek() == "\\", let scalar = peek(1) else { return nil }
        let set: ScalarSet
        switch scalar {
        case "s", "S": set = .whitespace
        case "d", "D": set = .digits
        case "w", "W": set = word
        case "h", "H": set = .hexadecimal
        case "p", "P":
            guard peek(2) == "{" else { return nil }
            return try property(isNegative: scalar == "P")
        default: return nil
        }
        position += 2
        return scalar.properties.isUppercase ? set.inverted : set
    }

    private mutating func property(isNegative: Bool) throws(ExpressionError) -> ScalarSet {
        let start = position
        position += 3
        let isInverted = take("^")
        let name = takeAll { $0 != "}" }
        guard take("}") else { throw error("a property without an end", at: start) }
        guard let set = ScalarSet.named(name) else { throw error("the property '\(name)', which is not known", at: start) }
        return isInverted != isNegative ? set.inverted : set
    }

    /// A backslash that stands for one character.
    mutating func characterEscape() throws(ExpressionError) -> UInt32 {
        let start = position
        position += 1
        guard let scalar = peek() else { throw error("a backslash at the end", at: start) }
        position += 1
        switch scalar {
        case "n": return 0x0a
        case "t": return 0x09
        case "r": return 0x0d
        case "f": return 0x0c
        case "v": return 0x0b
        case "a": return 0x07
        case "e": return 0x1b
        case "0":
            return UInt32(takeAll(atMost: 2) { ("0"..."7").contains($0) }, radix: 8) ?? 0
        case "x" where take("{"):
            let digits = takeAll(atMost: 8) { $0.properties.isASCIIHexDigit }
            guard let value = UInt32(digits, radix: 16), value < 0x110000, take("}") else { break }
            return value
        case "x": return UInt32(takeAll(atMost: 2) { $0.properties.isASCIIHexDigit }, radix: 16) ?? 0
        case "u":
            let digits = takeAll(atMost: 4) { $0.properties.isASCIIHexDigit }
            guard digits.utf8.count == 4, let value = UInt32(digits, radix: 16) else { break }
            return value
        case let scalar where !scalar.properties.isAlphabetic && !("1"..."9").contains(scalar) || !scalar.isASCII: return scalar.value
        default: break
        }
        throw error("the escape '\\\(scalar)'", at: start)
    }
}
