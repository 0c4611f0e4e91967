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
    private static let expectation = "'text' and 'label', and 'text_pair' where there is a second text"

    /// Reads a file of examples: a JSON object a line, or a table whose columns are separated by tabs (`.tsv`) or commas (`.csv`). The first row of a table
    /// names the columns, or the columns are text, label, or text, second text, label.
    ///
    /// - Parameter labels: the names of the labels in their order; a label may be one of them, or a number from 0.
    /// - Throws: ``BitsIO/ModelFileError`` with file and line for what is broken, not UTF-8, without text, or has a label of another name.
    public static func read(_ file: MappedFile, labels: [String]) throws(ModelFileError) -> [LabeledText] {
        let name = file.path.lowercased()
        let separator: UInt8? = name.hasSuffix(".tsv") ? UInt8(ascii: "\t") : name.hasSuffix(".csv") ? UInt8(ascii: ",") : nil
        var columns: [String]?
        return try LabeledFile(file, mindsQuotes: separator == UInt8(ascii: ",")).examples(expectation) { (record) throws(ModelFileError) in
            guard let separator else { return try LabeledText(JSONObject(line: record, path: "", expectation: expectation), labels) }
            let row = try row(record, separator: separator)
            if columns == nil {
                let isHeader = row.contains { $0.lowercased() == "label" }
                columns = isHeader ? row.map { $0.lowercased() } : row.count == 3 ? ["text", "text_pair", "label"] : ["text", "label"]
                if isHeader { return nil }
            }
            return try LabeledText(fields(row, columns: columns ?? []), labels)
        }
    }

    private init(_ fields: JSONObject, _ labels: [String]) throws(ModelFileError) {
        func text(_ names: [String]) -> String? {
            for name in names { if case .string(let text) = fields[name] { return text } }
            return nil
        }
        guard let first = text(LabeledText.texts), let value = fields["label"] else {
            throw .malformed(path: "", "has the fields \(fields.keys.joined(separator: ", ")); \(LabeledText.expectation) were expected")
        }
        self.init(first, pair: text(LabeledText.pairs), label: try LabeledFile.label(value, labels))
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
}
