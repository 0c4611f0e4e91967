/// Rows of text in columns: the first one to the left and shortened where a line would be too long, the others to the right.
struct TextTable {
    private var rows: [[String]]

    init(_ titles: [String]) { rows = [titles] }

    mutating func add(_ row: [String]) { rows.append(row) }

    /// The lines, none above `width` characters where the other columns leave the first one room.
    func lines(width: Int) -> [String] {
        let widths = rows[0].indices.map { column in rows.map { $0[column].count }.max() ?? 0 }
        let others = widths.dropFirst().reduce(0) { $0 + $1 + 2 }
        let first = min(widths[0], max(12, width - others))
        return rows.map { row in
            let cells = row.indices.dropFirst().map { TextTable.padded(row[$0], to: widths[$0] + 2) }
            return TextTable.filled(TextTable.shortened(row[0], to: first), to: first) + cells.joined()
        }
    }

    private static func padded(_ text: String, to width: Int) -> String { String(repeating: " ", count: max(0, width - text.count)) + text }
    private static func filled(_ text: String, to width: Int) -> String { text + String(repeating: " ", count: max(0, width - text.count)) }

    /// The end of a path says most.
    private static func shortened(_ text: String, to width: Int) -> String { text.count <= width ? text : "…" + text.suffix(width - 1) }
}
