/// A tokenizer.json, read in one pass: the vocabulary and the merges straight into their tables, the rest as JSON values.
struct TokenizerFile {
    /// All but the model.
    private(set) var fields = JSONObject()
    /// The model without vocabulary and merges.
    private(set) var model = JSONObject()
    private(set) var hasModel = false
    private(set) var vocabulary: Vocabulary?
    /// For each token its score; nil where the vocabulary has none.
    private(set) var scores: [Double]?
    private(set) var hasMerges = false
    private(set) var merges: [(left: UInt32, right: UInt32, merged: UInt32)] = []

    init(
        fields: JSONObject, model: JSONObject, vocabulary: Vocabulary, scores: [Double]?, merges: [(left: UInt32, right: UInt32, merged: UInt32)]
    ) {
        self.fields = fields
        self.model = model
        hasModel = true
        self.vocabulary = vocabulary
        self.scores = scores
        self.merges = merges
        hasMerges = scores == nil && model["type"] == "BPE"
    }

    init(_ bytes: [UInt8]) throws(JSONError) {
        var scanner = try JSONScanner(bytes)
        var names = Set<String>()
        try scanner.beginObject()
        while let key = try scanner.nextKey() {
            let name = try TokenizerFile.name(key, scanner, &names)
            if name == "model", scanner.peek() == UInt8(ascii: "{") {
                try readModel(&scanner)
            } else {
                fields[name] = try scanner.value()
            }
        }
        try scanner.expectEnd()
    }

    private static let continuation = "continuing_subword_prefix"

    private mutating func readModel(_ scanner: inout JSONScanner) throws(JSONError) {
        hasModel = true
        var mergesPosition: Int?
        var names = Set<String>()
        try scanner.beginObject()
        while let key = try scanner.nextKey() {
            switch try TokenizerFile.name(key, scanner, &names) {
            case "vocab" where scanner.peek() == UInt8(ascii: "{"): try readVocabulary(&scanner)
            case "vocab" where scanner.peek() == UInt8(ascii: "["): try readScoredVocabulary(&scanner)
            case "merges" where scanner.peek() == UInt8(ascii: "["):
                hasMerges = true
                // Both have to be known to tell what two tokens make.
                if vocabulary == nil || !names.contains(TokenizerFile.continuation) {
                    mergesPosition = try scanner.skipValue().lowerBound
                } else {
                    try readMerges(&scanner)
                }
            case "vocab", "merges": _ = try scanner.skipValue()
            case let name: model[name] = try scanner.value()
            }
        }
        if let mergesPosition, vocabulary != nil {
            var merges = JSONScanner(resuming: scanner, at: mergesPosition)
            try readMerges(&merges)
        }
    }

    /// The text of a key, which must not be among `names` yet: merges refer to the vocabulary before them, so neither may come again.
    private static func name(_ key: JSONText, _ scanner: JSONScanner, _ names: inout Set<String>) throws(JSONError) -> String {
        let name = try scanner.text(key)
        guard names.insert(name).inserted else {
            throw scanner.error("names '\(name)' twice; the file is damaged", at: key.range.lowerBound)
        }
        return name
    }

    private mutating func readVocabulary(_ scanner: inout JSONScanner) throws(JSONError) {
        var vocabulary = Vocabulary(expectedCount: (scanner.bytes.count - scanner.position) / 64)
        var text = [UInt8]()
        try scanner.beginObject()
        while let key = try scanner.nextKey() {
            let id = try scanner.count()
            let inserted: Bool
            if key.hasEscapes {
                text.removeAll(keepingCapacity: true)
                try scanner.unescape(key, into: &text)
                inserted = vocabulary.insert(text.span, id: id)
            } else {
                inserted = vocabulary.insert(scanner.bytes.span.extracting(key.range), id: id)
            }
            guard inserted else {
                throw scanner.error(
                    "has the token '\(try scanner.text(key))' with id \(id), of which one is there already or the id is out of range",
                    at: key.range.lowerBound)
            }
        }
        self.vocabulary = vocabulary
    }

    /// A list of tokens with their scores; ids are places in it.
    private mutating func readScoredVocabulary(_ scanner: inout JSONScanner) throws(JSONError) {
        var vocabulary = Vocabulary(expectedCount: (scanner.bytes.count - scanner.position) / 64)
        var scores = [Double]()
        var text = [UInt8]()
        try scanner.beginArray()
        while try scanner.nextElement() {
            let position = scanner.position
            try scanner.beginArray()
            guard try scanner.nextElement() else { throw scanner.error("has a token without text", at: position) }
            let token = try scanner.string()
            guard try scanner.nextElement(), case let number = try scanner.number(), let score = Double(scanner.text(number)), !score.isNaN,
                try !scanner.nextElement()
            else { throw scanner.error("has a token that is not a text with its score", at: position) }
            text.removeAll(keepingCapacity: true)
            try scanner.unescape(token, into: &text)
            guard vocabulary.append(text.span) else { throw scanner.error("has more than \(Vocabulary.maximumID) tokens", at: position) }
            scores.append(score)
        }
        self.vocabulary = vocabulary
        self.scores = scores
    }

    /// Each merge is a pair of tokens, or in older files one string with a space between them.
    private mutating func readMerges(_ scanner: inout JSONScanner) throws(JSONError) {
        guard let vocabulary else { return }
        // What stands before all characters of a word but the first is not repeated inside.
        var dropped = 0
        if case .string(let prefix)? = model[TokenizerFile.continuation] { dropped = prefix.unicodeScalars.count }
        var guess = 0
        var text = [UInt8]()
        try scanner.beginArray()
        while try scanner.nextElement() {
            let isPair = scanner.peek() == UInt8(ascii: "[")
            let position = scanner.position
            let ids: (left: Int?, right: Int?)?
            if isPair {
                ids = try TokenizerFile.pair(&scanner).map { left, right in
                    (TokenizerFile.id(of: left, scanner, vocabulary, &text), TokenizerFile.id(of: right, scanner, vocabulary, &text))
                }
            } else {
                let string = try scanner.string()
                text.removeAll(keepingCapacity: true)
                try scanner.unescape(string, into: &text)
                ids = text.firstIndex(of: 0x20).flatMap { space in
                    guard text.lastIndex(of: 0x20) == space else { return nil }
                    return (vocabulary.id(of: text.span.extracting(0..<space)), vocabulary.id(of: text.span.extracting(space + 1..<text.count)))
                }
            }
            guard let ids else { throw scanner.error("has a merge that is not a pair of tokens", at: position) }
            guard let left = ids.left, let right = ids.right, let merged = vocabulary.id(joining: left, right, without: dropped, guess: guess) else {
                throw scanner.error(
                    "has the merge \(scanner.text(position..<scanner.position)) with a token that is not in the vocabulary", at: position)
            }
            merges.append((UInt32(left), UInt32(right), UInt32(merged)))
            // Trainers number tokens as they make them.
            guess = merged + 1
        }
    }

    /// The two strings of a list; nil when it has more or fewer.
    private static func pair(_ scanner: inout JSONScanner) throws(JSONError) -> (JSONText, JSONText)? {
        try scanner.beginArray()
        guard try scanner.nextElement() else { return nil }
        let left = try scanner.string()
        guard try scanner.nextElement() else { return nil }
        let right = try scanner.string()
        return try scanner.nextElement() ? nil : (left, right)
    }

    private static func id(of string: JSONText, _ scanner: JSONScanner, _ vocabulary: Vocabulary, _ text: inout [UInt8]) -> Int? {
        guard string.hasEscapes else { return vocabulary.id(of: scanner.bytes.span.extracting(string.range)) }
        text.removeAll(keepingCapacity: true)
        guard (try? scanner.unescape(string, into: &text)) != nil else { return nil }
        return vocabulary.id(of: text.span)
    }
}
