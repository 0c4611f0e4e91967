import BitsIO
import BitsSystem

/// A file of examples with labels, one a record.
struct LabeledFile {
    private let file: MappedFile
    private let records: [Range<Int>]

    /// - Parameter mindsQuotes: whether a line's end between quotes belongs to a record.
    init(_ file: MappedFile, mindsQuotes: Bool = false) {
        var (records, finder): ([Range<Int>], RecordFinder) = ([], RecordFinder(mindsQuotes: mindsQuotes))
        finder.append(file.bytes(in: 0..<file.byteCount), to: &records)
        finder.finish(&records)
        (self.file, self.records) = (file, records)
    }

    /// What `body` makes of the records, those left out for which it gives nil; what it throws is told with file and line.
    ///
    /// - Parameter expectation: the fields of an example, in words.
    func examples<Example>(_ expectation: String, _ body: ([UInt8]) throws(ModelFileError) -> Example?) throws(ModelFileError) -> [Example] {
        var examples: [Example] = []
        for record in records {
            do throws(ModelFileError) {
                if let example = try body(file.bytes(in: record)) { examples.append(example) }
            } catch {
                guard case .malformed(_, let reason) = error else { throw error }
                // Counted from 1; lines of white space alone count as well.
                let line = 1 + file.bytes(in: 0..<record.lowerBound).count { $0 == RecordFinder.lineFeed }
                throw .malformed(path: "\(file.path), line \(line)", reason)
            }
        }
        guard !examples.isEmpty else { throw .malformed(path: file.path, "has no examples; one a line was expected, with \(expectation)") }
        return examples
    }

    /// The number of a label that is one of `names`, or a number.
    static func label(_ value: JSONValue, _ names: [String]) throws(ModelFileError) -> Int32 {
        let number: Int32? =
            switch value {
            case .string(let name): names.firstIndex(of: name).map { Int32($0) } ?? Int32(name)
            default: Int32(value)
            }
        if let number { return number }
        let known = names.isEmpty ? "a number from 0" : "a number from 0, or one of \(names.joined(separator: ", "))"
        throw .malformed(path: "", "has the label \(value.compactText); \(known) was expected")
    }
}
