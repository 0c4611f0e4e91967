public import BitsIO
public import BitsSystem

/// A text cut into words, with the label that each should be given.
public struct LabeledWords: Sendable, Equatable {
    public var words: [String]
    /// One a word; -100 for one that does not count.
    public var labels: [Int32]

    public init(_ words: [String], labels: [Int32]) {
        precondition(words.count == labels.count, "\(labels.count) labels for \(words.count) words")
        (self.words, self.labels) = (words, labels)
    }
}

extension LabeledWords {
    /// The names of the fields, of which the first that is there counts.
    private static let words = ["tokens", "words"]
    private static let labels = ["labels", "tags", "ner_tags", "pos_tags", "chunk_tags"]
    private static let expectation = "'tokens', a list of words, and 'labels' or 'ner_tags', a list as long"

    /// Reads a file of examples, a JSON object a line.
    ///
    /// - Parameter labels: the names of the labels in their order; a label may be one of them, or a number: from 0, or -100 where a word does not count.
    /// - Throws: ``BitsIO/ModelFileError`` with file and line for what is broken, without words, or has a label of another name.
    public static func read(_ file: MappedFile, labels: [String]) throws(ModelFileError) -> [LabeledWords] {
        try LabeledFile(file).examples(expectation) { (record) throws(ModelFileError) in
            try LabeledWords(JSONObject(line: record, path: "", expectation: expectation), labels)
        }
    }

    private init(_ fields: JSONObject, _ names: [String]) throws(ModelFileError) {
        func list(_ names: [String]) -> [JSONValue]? {
            for name in names { if case .array(let values) = fields[name] { return values } }
            return nil
        }
        guard let words = list(LabeledWords.words), let labels = list(LabeledWords.labels) else {
            throw .malformed(path: "", "has the fields \(fields.keys.joined(separator: ", ")); \(LabeledWords.expectation) were expected")
        }
        guard words.count == labels.count else { throw .malformed(path: "", "has \(labels.count) labels for \(words.count) words") }
        self.init(
            try words.map { (word) throws(ModelFileError) in
                guard case .string(let text) = word else { throw .malformed(path: "", "has the word \(word.compactText); a string was expected") }
                return text
            }, labels: try labels.map { (label) throws(ModelFileError) in try LabeledFile.label(label, names) })
    }
}

extension LabeledSequence {
    /// The tokens of `text` as a classifier reads them, cut to `context` tokens. A word's label is asked of its first token; the others of it, and those of the
    /// template, do not count.
    public init(_ text: LabeledWords, tokenizer: Tokenizer, context: Int) {
        let (encoded, words) = tokenizer.encode(words: text.words, truncation: TruncationRule(maximumLength: context))
        var last: Int?
        let labels = words.map { (word: Int?) -> Int32 in
            defer { last = word ?? last }
            return word.flatMap { $0 == last ? nil : text.labels[$0] } ?? -100
        }
        self.init(encoded.ids, labels: labels)
    }
}
