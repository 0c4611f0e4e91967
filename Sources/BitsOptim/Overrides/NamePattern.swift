/// A pattern for parameters' names: `*` stands for any run of characters, everything else for itself.
struct NamePattern {
    private let parts: [String]

    init(_ text: String) { parts = text.split(separator: "*", omittingEmptySubsequences: false).map(String.init) }

    func matches(_ name: String) -> Bool {
        guard let first = parts.first, let last = parts.last, name.hasPrefix(first) else { return false }
        if parts.count == 1 { return name == first }
        var rest = name.dropFirst(first.count)
        for part in parts.dropFirst().dropLast() where !part.isEmpty {
            guard let end = rest.endOfFirst(part) else { return false }
            rest = rest[end...]
        }
        return rest.hasSuffix(last)
    }
}

extension Substring {
    /// Where the first occurrence of `part` ends.
    fileprivate func endOfFirst(_ part: String) -> Index? {
        var start = startIndex
        while start < endIndex {
            if self[start...].hasPrefix(part) { return index(start, offsetBy: part.count) }
            start = index(after: start)
        }
        return nil
    }
}
