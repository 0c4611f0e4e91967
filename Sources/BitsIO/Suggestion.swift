/// What a wrong name may have meant.
package enum Suggestion {
    /// The known name that is nearest to `name`; nil where none is near.
    package static func nearest(to name: String, among known: [String]) -> String? {
        known.min { editDistance($0, name) < editDistance($1, name) }.flatMap { editDistance($0, name) <= max(2, name.count / 3) ? $0 : nil }
    }

    /// `did you mean 'lion'? there are: adam, lion`, or the second part alone.
    package static func text(for name: String, among known: [String]) -> String {
        (nearest(to: name, among: known).map { "did you mean '\($0)'? " } ?? "") + "there are: \(known.joined(separator: ", "))"
    }

    /// How many characters have to be put in, taken out or replaced to get from one word to the other.
    private static func editDistance(_ a: String, _ b: String) -> Int {
        let (a, b) = (Array(a), Array(b))
        var previous = Array(0...b.count)
        for (i, x) in a.enumerated() {
            var current = [i + 1]
            for (j, y) in b.enumerated() { current.append(min(previous[j] + (x == y ? 0 : 1), previous[j + 1] + 1, current[j] + 1)) }
            previous = current
        }
        return previous[b.count]
    }
}
