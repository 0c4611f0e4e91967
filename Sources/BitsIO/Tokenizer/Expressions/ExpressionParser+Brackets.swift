extension ExpressionParser {
    /// A class in brackets, which may hold others, and whose parts between `&&` all have to hold.
    mutating func bracketedSet() throws(ExpressionError) -> ScalarSet {
        let start = position
        depth += 1
        defer { depth -= 1 }
        guard depth <= ExpressionParser.maximumDepth else { throw error("brackets more than \(ExpressionParser.maximumDepth) deep") }
        position += 1
        let isNegative = take("^")
        var whole: ScalarSet?
        var parts = [Range<UInt32>]()
        var isFirst = true
        while true {
            guard let scalar = peek() else { throw error("a bracket without an end", at: start) }
            if scalar == "]" && !isFirst { break }
            isFirst = false
            if take("&&") {
                let set = ScalarSet(joining: parts)
                whole = whole?.intersection(set) ?? set
                parts = []
            } else if let set = try nestedSet() {
                parts += set.ranges
                // A hyphen behind a set stands for itself, where nothing follows it.
                if peek() == "-", peek(1) != "]", peek(1) != nil { throw error("a range that starts with a class of characters") }
            } else {
                parts.append(try rangeOfCharacters())
            }
        }
        position += 1
        let set = ScalarSet(joining: parts)
        let joined = whole?.intersection(set) ?? set
        let folded = options.ignoresCase ? joined.ignoringCase : joined
        return isNegative ? folded.inverted : folded
    }

    /// A class in the class: in brackets of its own, `[:alpha:]`, or `\s`.
    private mutating func nestedSet() throws(ExpressionError) -> ScalarSet? {
        guard peek() == "[" else { return try classEscape(word: .wordInBrackets) }
        let start = position
        if take("[:") {
            let isNegative = take("^")
            let name = takeAll { ("a"..."z").contains($0) }
            if take(":]") {
                guard let set = ScalarSet.posix(name) else { throw error("the class '[:\(name):]'", at: start) }
                return isNegative ? set.inverted : set
            }
            position = start
        }
        return try bracketedSet()
    }

    private mutating func rangeOfCharacters() throws(ExpressionError) -> Range<UInt32> {
        let start = position
        let first = try character()
        guard peek() == "-", let next = peek(1), next != "]" else { return first..<first + 1 }
        position += 1
        guard next != "[", try classEscape() == nil else { throw error("a range that ends with a class of characters", at: start) }
        let last = try character()
        guard first <= last else { throw error("a range whose last character comes before the first", at: start) }
        return first..<last + 1
    }

    private mutating func character() throws(ExpressionError) -> UInt32 {
        guard let scalar = peek() else { throw error("a bracket without an end") }
        guard scalar == "\\" else {
            position += 1
            return scalar.value
        }
        if peek(1) == "b" {
            position += 2
            return 0x08
        }
        return try characterEscape()
    }
}
