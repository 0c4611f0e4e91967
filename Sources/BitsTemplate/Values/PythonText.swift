/// Python's operations on texts, which look at code points where Swift looks at characters.
extension String {
    init(scalars: some Sequence<Unicode.Scalar>) {
        var view = String.UnicodeScalarView()
        view.append(contentsOf: scalars)
        self.init(view)
    }

    /// Where `part` begins first, or last, in bytes of UTF-8; nil where it does not occur.
    func finds(_ part: String, last: Bool = false) -> Int? { Array(utf8).places(of: Array(part.utf8), limit: 1, last: last).first }

    /// The text without white space at its ends, or without the scalars of `set`.
    func stripped(_ set: String? = nil, left: Bool = true, right: Bool = true) -> String {
        let dropped = set.map { Set($0.unicodeScalars) }
        func isDropped(_ scalar: Unicode.Scalar) -> Bool { dropped?.contains(scalar) ?? scalar.isPythonSpace }
        var rest = Substring(self).unicodeScalars
        if left { rest = rest.drop(while: isDropped) }
        if right, let end = rest.lastIndex(where: { !isDropped($0) }) { rest = rest[...end] } else if right { rest = rest.prefix(0) }
        return String(rest)
    }

    /// The parts between the first, or last, `limit` separators; all where there is no limit.
    func split(by separator: String, limit: Int? = nil, fromRight: Bool = false) -> [String] {
        let (bytes, length) = (Array(utf8), separator.utf8.count)
        var parts: [String] = []
        var start = 0
        for place in bytes.places(of: Array(separator.utf8), limit: limit, last: fromRight) {
            parts.append(String(decoding: bytes[start..<place], as: UTF8.self))
            start = place + length
        }
        return parts + [String(decoding: bytes[start...], as: UTF8.self)]
    }

    /// The words between white space; after `limit` cuts the rest stays whole.
    func words(limit: Int? = nil, fromRight: Bool = false) -> [String] {
        guard let limit else { return unicodeScalars.split(whereSeparator: \.isPythonSpace).map(String.init) }
        if fromRight {
            return String(scalars: unicodeScalars.reversed()).words(limit: limit).map { String(scalars: $0.unicodeScalars.reversed()) }.reversed()
        }
        var words: [String] = []
        var rest = Substring(self).unicodeScalars.drop(while: \.isPythonSpace)
        while !rest.isEmpty {
            guard words.count < limit, let end = rest.firstIndex(where: \.isPythonSpace) else { return words + [String(rest)] }
            words.append(String(rest[..<end]))
            rest = rest[end...].drop(while: \.isPythonSpace)
        }
        return words
    }

    /// The lines, with their ends if wanted.
    func lines(keepingEnds: Bool = false) -> [String] {
        var lines: [String] = []
        var line = String.UnicodeScalarView()
        var isAfterReturn = false
        for scalar in unicodeScalars {
            if scalar == "\n" && isAfterReturn {
                if keepingEnds { lines[lines.count - 1].unicodeScalars.append("\n") }
            } else if scalar.endsPythonLine {
                if keepingEnds { line.append(scalar) }
                lines.append(String(line))
                line = String.UnicodeScalarView()
            } else {
                line.append(scalar)
            }
            isAfterReturn = scalar == "\r"
        }
        return line.isEmpty ? lines : lines + [String(line)]
    }

    /// The first `limit` occurrences of `old`, or all, replaced.
    func replacing(_ old: String, by new: String, limit: Int? = nil) -> String {
        if old.isEmpty {
            // Before each code point and at the end.
            var result = ""
            var left = limit ?? .max
            for scalar in unicodeScalars {
                if left > 0 { result += new }
                left -= 1
                result.unicodeScalars.append(scalar)
            }
            return left > 0 ? result + new : result
        }
        return split(by: old, limit: limit).joined(separator: new)
    }

    /// The first letter large, the others small.
    var capitalizedFirst: String {
        guard let first = unicodeScalars.first else { return self }
        return first.properties.titlecaseMapping + String(unicodeScalars.dropFirst()).lowercased()
    }

    /// Every run of letters with the first one large.
    var titled: String {
        var result = ""
        var isAfterLetter = false
        for scalar in unicodeScalars {
            result += isAfterLetter ? scalar.properties.lowercaseMapping : scalar.properties.titlecaseMapping
            isAfterLetter = scalar.properties.isCased
        }
        return result
    }

    /// Filled with `fill` to `width` code points, the text left, right or in the middle.
    func padded(to width: Int, with fill: String, left: Bool, right: Bool) -> String {
        let missing = max(0, width - unicodeScalars.count)
        let before = left && right ? missing / 2 + (missing & width & 1) : left ? missing : 0
        return String(repeating: fill, count: before) + self + String(repeating: fill, count: right ? missing - before : 0)
    }
}

extension Unicode.Scalar {
    /// What Python calls white space.
    var isPythonSpace: Bool { properties.isWhitespace || (0x1c...0x1f).contains(value) }

    /// What Python ends a line at.
    fileprivate var endsPythonLine: Bool {
        switch value {
        case 0x0a...0x0d, 0x1c...0x1e, 0x85, 0x2028, 0x2029: true
        default: false
        }
    }
}

extension [UInt8] {
    /// Where `part` begins, in order, without overlaps: the first `limit` places, or the last ones as they are found from the right.
    fileprivate func places(of part: [UInt8], limit: Int? = nil, last: Bool = false) -> [Int] {
        if part.isEmpty { return [last ? count : 0] }
        var places: [Int] = []
        var index = last ? count - part.count : 0
        while index >= 0 && index + part.count <= count && places.count < limit ?? .max {
            if self[index] == part[0] && self[index..<index + part.count].elementsEqual(part) {
                places.append(index)
                index += last ? -part.count : part.count
            } else {
                index += last ? -1 : 1
            }
        }
        return last ? places.reversed() : places
    }
}
