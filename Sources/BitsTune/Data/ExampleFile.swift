public import BitsIO
public import BitsSystem

/// A file of examples that is read where it is asked for, so that it may be larger than memory: a JSON object a line, or a table in CSV whose first row
/// names the columns.
///
/// Opening it finds where its examples begin and end; what is in them is looked at when they are read.
public struct ExampleFile: Sendable {
    public let path: String
    private let file: MappedFile
    private let records: [Range<Int>]
    /// The names of a table's columns; nil where every record names its own fields.
    private let columns: [String]?

    /// The largest example, in bytes: far more than any model takes in.
    public static let maximumByteCount = 16 << 20

    /// Opens a file; it is a table where its name ends in `.csv`.
    ///
    /// - Throws: ``BitsIO/ModelFileError/malformed(path:_:)`` for a file without examples, with one above ``maximumByteCount``, or a table whose columns are
    ///   of no kind of example.
    public init(_ file: MappedFile) throws(ModelFileError) {
        self.file = file
        path = file.path
        let isTable = file.path.lowercased().hasSuffix(".csv")
        var records: [Range<Int>] = []
        var finder = RecordFinder(mindsQuotes: isTable)
        for start in stride(from: 0, to: file.byteCount, by: ExampleFile.step) {
            let part = start..<min(start + ExampleFile.step, file.byteCount)
            finder.append(file.bytes(in: part), to: &records)
            file.release(part)
        }
        finder.finish(&records)
        if let long = records.first(where: { $0.count > ExampleFile.maximumByteCount }) {
            let place = ExampleFile.place(of: long, in: file)
            throw .malformed(path: place, "has \(long.count) bytes; at most \(ExampleFile.maximumByteCount) were expected, split the example")
        }
        columns = isTable && !records.isEmpty ? try CSVRecord(file.bytes(in: records.removeFirst()), path: "\(file.path), line 1").fields : nil
        if let columns { _ = try TrainingText(JSONObject(columns.map { ($0, "?") }), place: "\(file.path), line 1") }
        guard !records.isEmpty else {
            throw .malformed(path: file.path, "has no examples; one a line was expected, with \(TrainingText.expectation)")
        }
        self.records = records
    }

    /// Opens the file at `path`.
    public init(path: String) throws(ModelFileError) {
        let file: MappedFile
        do { file = try MappedFile(path: path) } catch { throw .system(error) }
        try self.init(file)
    }

    private static let step = 4 << 20

    public var count: Int { records.count }

    /// Reads an example.
    ///
    /// - Throws: ``BitsIO/ModelFileError/malformed(path:_:)`` with file and line when it is broken, not UTF-8, or of no kind.
    public func example(_ index: Int) throws(ModelFileError) -> TrainingText {
        try placed(index) { () throws(ModelFileError) in try TrainingText(try object(file.bytes(in: records[index])), place: "") }
    }

    /// Reads an example as tokens.
    ///
    /// - Throws: as ``example(_:)``, and what the encoder objects to.
    public func example(_ index: Int, _ encoder: ExampleEncoder) throws(ModelFileError) -> TokenizedExample {
        let text = try example(index)
        return try placed(index) { () throws(ModelFileError) in try encoder.tokens(of: text) }
    }

    /// What `read` gives; its error with file and line of the example.
    private func placed<Value>(_ index: Int, _ read: () throws(ModelFileError) -> Value) throws(ModelFileError) -> Value {
        do throws(ModelFileError) { return try read() } catch {
            // Which line it is, is looked for only now: it takes reading all that is before it.
            guard case .malformed(_, let reason) = error else { throw error }
            throw .malformed(path: place(of: index), reason)
        }
    }

    private func object(_ bytes: [UInt8]) throws(ModelFileError) -> JSONObject {
        if let columns {
            let fields = try CSVRecord(bytes, path: path).fields
            guard fields.count == columns.count else {
                throw .malformed(path: path, "has \(fields.count) fields; \(columns.count) were expected, as the first row has")
            }
            return JSONObject(zip(columns, fields).map { ($0, .string($1)) })
        }
        return try JSONObject(line: bytes, path: path, expectation: TrainingText.expectation)
    }

    /// File and line of an example, for messages.
    public func place(of index: Int) -> String { ExampleFile.place(of: records[index], in: file) }

    private static func place(of record: Range<Int>, in file: MappedFile) -> String {
        var line = 1
        for start in stride(from: 0, to: record.lowerBound, by: step) {
            line += file.bytes(in: start..<min(start + step, record.lowerBound)).count { $0 == RecordFinder.lineFeed }
        }
        return "\(file.path), line \(line)"
    }
}

extension JSONObject {
    fileprivate init(_ fields: [(String, JSONValue)]) {
        self.init()
        for (key, value) in fields { self[key] = value }
    }
}
