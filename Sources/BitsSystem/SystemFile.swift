/// A file in which the system tells of itself, as those below `/proc`: its size is not known beforehand.
package enum SystemFile {
    /// What is in it; nil where there is none.
    package static func text(of path: String) -> String? { (try? FileSystem.contents(of: path)).map { String(decoding: $0, as: UTF8.self) } }

    /// Its first line.
    package static func line(of path: String) -> String? { text(of: path)?.split(separator: "\n").first.map(String.init) }

    /// The first value behind `name` in a file of `name : value` lines.
    package static func field(_ name: String, of path: String) -> String? {
        for line in text(of: path)?.split(separator: "\n") ?? [] {
            guard let colon = line.firstIndex(of: ":"), words(line[..<colon]) == name else { continue }
            return words(line[line.index(after: colon)...])
        }
        return nil
    }

    /// The same where the value is a number of kilobytes, in bytes.
    package static func byteCount(_ name: String, of path: String) -> Int? {
        field(name, of: path)?.split(separator: " ").first.flatMap { Int($0) }.map { $0 * 1024 }
    }

    private static func words(_ text: Substring) -> String { text.split(whereSeparator: \.isWhitespace).joined(separator: " ") }
}
