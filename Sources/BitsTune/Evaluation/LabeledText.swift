public import BitsIO
public import BitsSystem

/// A text, or a pair of texts, with the label that it should be given.
public struct LabeledText: Sendable, Equatable {
    public var text: String
    /// The second of a pair: an answer to a question, say.
    public var pair: String?
    public var label: Int32

    public init(_ text: String, pair: String? = nil, label: Int32) { (self.text, self.pair, self.label) = (text, pair, label) }
}

extension LabeledText {
    /// The names of the fields, of which the first that is there counts.
    private static let texts = ["text", "sentence", "sentence1", "premise", "question"]
    private static let pairs = ["text_pair", "sentence2", "hypothesis", "answer"]
    static let expectation = "'text' and 'label', and 'text_pair' where there is a second text"

    /// Reads a file of examples: a JSON object a line, or a table whose columns are separated by tabs (`.tsv`) or commas (`.csv`). The first row of a table
    /// names the columns, or the columns are text, label, or text, second text, label.
    ///
    /// - Parameter labels: the names of the labels in their order; a label may be one of them, or a number from 0.
    /// - Throws: ``BitsIO/ModelFileError`` with file and line for what is broken, not UTF-8, without text, or has a label of another name.
    public static func read(_ file: MappedFile, labels: [String]) throws(ModelFileError) -> [LabeledText] {
        let name = file.path.lowercased()
        let separator: UInt8? = name.hasSuffix(".tsv") ? UInt8(ascii: "\t") : name.hasSuffix(".csv") ? UInt8(ascii: ",") : nil
        var (records, finder): ([Range<Int>], RecordFinder) = ([], RecordFinder(mindsQuotes: separator == UInt8(ascii: ",")))
        finder.append(file.bytes(in: 0..<file.byteCount), to: &records)
        finder.finish(&records)
        var (columns, texts): ([String]?, [LabeledText]) = (nil, [])
        for (index, record) in records.enumerated() {
            let bytes = file.bytes(in: record)
            do throws(ModelFileError) {
                guard let separator else {
                    texts.append(try LabeledText(fields(bytes), labels))
                    continue
                }
                let row = try row(bytes, separator: separator)
                if columns == nil {
                    let isHeader = row.contains { $0.lowercased() == "label" }
                    columns = isHeader ? row.map { $0.lowercased() } : row.count == 3 ? ["text", "text_pair", "label"] : ["text", "label"]
                    if isHeader { continue }
                }
                texts.append(try LabeledText(fields(row, columns: columns ?? []), labels))
            } catch {
                guard case .malformed(_, let reason) = error else { throw error }
                throw .malformed(path: "\(file.path), line \(line(of: index, records, file))", reason)
            }
        }
        guard !texts.isEmpty else { throw .malformed(path: file.path, "has no examples; one a line was expected, with \(expectation)") }
        return texts
    }

    private init(_ fields: JSONObject, _ labels: [String]) throws(ModelFileError) {
        func text(_ names: [String]) -> String? {
            for name in names { if case .string(let text) = fields[name] { return text } }
            return nil
        }
        guard let first = text(LabeledText.texts), let value = fields["label"] else {
            throw .malformed(path: "", "has the fields \(fields.keys.joined(separator: ", ")); \(LabeledText.expectation) were expected")
        }
        let label: Int32? =
            switch value {
            case .string(let name): labels.firstIndex(of: name).map { Int32($0) } ?? Int32(name)
            default: Int32(value)
            }
        guard let label else {
            let known = labels.isEmpty ? "a number from 0" : "a number from 0, or one of \(labels.joined(separator: ", "))"
            throw .malformed(path: "", "has the label \(value.compactText); \(known) was expected")
        }
        self.init(first, pair: text(LabeledText.pairs), label: label)
    }

    private static func fields(_ bytes: [UInt8]) throws(ModelFileError) -> JSONObject {
        guard case .object(let object) = try JSONValue(parsing: bytes, path: "") else {
            throw .malformed(path: "", "is not an object with \(expectation)")
        }
        return object
    }

    private static func row(_ bytes: [UInt8], separator: UInt8) throws(ModelFileError) -> [String] {
        if separator == UInt8(ascii: ",") { return try CSVRecord(bytes, path: "").fields }
        let line = bytes.last == UInt8(ascii: "\r") ? bytes.dropLast() : bytes[...]
        guard let text = String(validating: line, as: UTF8.self) else { throw .malformed(path: "", "is not text in UTF-8; convert it first") }
        return text.split(separator: "\t", omittingEmptySubsequences: false).map { String($0) }
    }

    private static func fields(_ row: [String], columns: [String]) throws(ModelFileError) -> JSONObject {
        guard row.count == columns.count else {
            throw .malformed(path: "", "has \(row.count) fields; \(columns.count) were expected: \(columns.joined(separator: ", "))")
        }
        var object = JSONObject()
        for (column, field) in zip(columns, row) { object.insert(.string(field), forKey: column) }
        return object
    }

    /// Counted from 1; lines of white space alone count as well.
    private static func line(of index: Int, _ records: [Range<Int>], _ file: MappedFile) -> Int {
        1 + file.bytes(in: 0..<records[index].lowerBound).count { $0 == RecordFinder.lineFeed }
    }
}
