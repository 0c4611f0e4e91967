extension [String] {
    /// The paths of layers, those that differ in numbers alone as one.
    var kinds: [String] {
        var seen = Set<String>()
        return compactMap { path in
            guard seen.insert(path.withoutNumbers).inserted else { return nil }
            let count = self.count { $0.withoutNumbers == path.withoutNumbers }
            return count == 1 ? path : "\(path.withoutNumbers), \(count) times"
        }
    }
}

extension String {
    /// The path with `*` for parts that are numbers.
    var withoutNumbers: String {
        split(separator: ".", omittingEmptySubsequences: false).map { $0.allSatisfy(\.isNumber) ? "*" : String($0) }.joined(separator: ".")
    }
}
