/// Finds the first of some strings in a text that comes piece by piece. What may be the beginning of one is held back.
package struct StopStrings {
    private let strings: [[UInt8]]
    private var held: [UInt8] = []
    /// Whether one was found; the text is over then.
    package private(set) var isFound = false

    /// - Parameter strings: none of them empty.
    package init(_ strings: [String]) { self.strings = strings.map { Array($0.utf8) } }

    /// Takes the next piece, and gives the text that is settled by it: up to a stop string, or to what may become one.
    package mutating func append(_ piece: String) -> String {
        guard !isFound else { return "" }
        held += piece.utf8
        let found = held.indices.first { start in strings.contains { held[start...].starts(with: $0) } }
        isFound = found != nil
        let settled = found ?? held.indices.first { start in strings.contains { $0.starts(with: held[start...]) } } ?? held.count
        defer { held.removeFirst(settled) }
        return String(decoding: held[..<settled], as: UTF8.self)
    }

    /// Gives what is still held back, when no more text comes.
    package mutating func finish() -> String {
        defer { held = [] }
        return isFound ? "" : String(decoding: held, as: UTF8.self)
    }
}
