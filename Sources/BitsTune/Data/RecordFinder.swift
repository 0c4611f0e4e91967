import BitsIO

/// Finds where the records of a file begin and end, part by part. Records end with lines, but for a line's end between quotes where quotes are minded;
/// lines of white space alone are none.
struct RecordFinder {
    let mindsQuotes: Bool
    private var position = 0
    private var start = 0
    private var isQuoted = false
    private var isBlank = true

    static let lineFeed = UInt8(ascii: "\n")
    /// What some editors put before a text in UTF-8; it is no part of it.
    private static let byteOrderMark: [UInt8] = [0xef, 0xbb, 0xbf]

    init(mindsQuotes: Bool) { self.mindsQuotes = mindsQuotes }

    /// Goes on with the next bytes of the file.
    mutating func append(_ bytes: [UInt8], to records: inout [Range<Int>]) {
        if position == 0, bytes.starts(with: RecordFinder.byteOrderMark) { start = RecordFinder.byteOrderMark.count }
        for (offset, byte) in bytes.enumerated() where position + offset >= start {
            switch byte {
            case RecordFinder.lineFeed where !isQuoted: end(at: position + offset, &records)
            case RecordFinder.lineFeed, UInt8(ascii: "\r"), UInt8(ascii: " "), UInt8(ascii: "\t"): break
            case UInt8(ascii: "\"") where mindsQuotes:
                isQuoted.toggle()
                isBlank = false
            default: isBlank = false
            }
        }
        position += bytes.count
    }

    /// Takes the last record, which no line's end has to follow.
    mutating func finish(_ records: inout [Range<Int>]) { end(at: position, &records) }

    private mutating func end(at end: Int, _ records: inout [Range<Int>]) {
        if !isBlank { records.append(start..<end) }
        (start, isBlank) = (end + 1, true)
    }
}

/// A record of a table: fields with commas between; a field in quotes may hold commas, line ends and, doubled, quotes (RFC 4180).
struct CSVRecord {
    private(set) var fields: [String] = []

    /// - Throws: ``BitsIO/ModelFileError/malformed(path:_:)`` for a quote that is not closed or followed by more than a comma, and for what is not UTF-8.
    init(_ bytes: [UInt8], path: String) throws(ModelFileError) {
        let (quote, comma) = (UInt8(ascii: "\""), UInt8(ascii: ","))
        var rest = bytes.last == UInt8(ascii: "\r") ? bytes.dropLast() : bytes[...]
        while true {
            var field: [UInt8] = []
            if rest.first == quote {
                rest = rest.dropFirst()
                while true {
                    guard let end = rest.firstIndex(of: quote) else { throw .malformed(path: path, "has a quote that is not closed") }
                    field += rest[..<end]
                    rest = rest[(end + 1)...]
                    guard rest.first == quote else { break }
                    field.append(quote)
                    rest = rest.dropFirst()
                }
                guard rest.isEmpty || rest.first == comma else {
                    throw .malformed(path: path, "has text behind a closing quote; a comma was expected there, or double the quotes inside a field")
                }
            } else {
                let end = rest.firstIndex(of: comma) ?? rest.endIndex
                field = Array(rest[..<end])
                rest = rest[end...]
            }
            guard let text = String(validating: field, as: UTF8.self) else { throw .malformed(path: path, "is not text in UTF-8; convert it first") }
            fields.append(text)
            if rest.isEmpty { return }
            rest = rest.dropFirst()
        }
    }
}
