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
        var block = MergeBlock(dropped: dropped)
        try scanner.beginArray()
        while try scanner.nextElement() {
            let start = scanner.position
            guard try TokenizerFile.readPair(&scanner, into: &block) else {
                throw scanner.error("has a merge that is not a pair of tokens", at: start)
            }
            block.places.append(start..<scanner.position)
            if block.isFull { try merge(&block, vocabulary, scanner) }
        }
        try merge(&block, vocabulary, scanner)
    }

    /// Appends the merges of a block, and empties it.
    private mutating func merge(_ block: inout MergeBlock, _ vocabulary: Vocabulary, _ scanner: JSONScanner) throws(JSONError) {
        if let failed = block.resolve(vocabulary, into: &merges) {
            throw scanner.error("has the merge \(scanner.text(failed)) with a token that is not in the vocabulary", at: failed.lowerBound)
        }
    }

    /// Adds the two texts of a merge to `block`; false when there are more or fewer.
    private static func readPair(_ scanner: inout JSONScanner, into block: inout MergeBlock) throws(JSONError) -> Bool {
        let start = block.text.count
        guard scanner.peek() == UInt8(ascii: "[") else {
            try scanner.unescape(try scanner.string(), into: &block.text)
            let text = block.text[start...]
            guard let space = text.firstIndex(of: 0x20), text.lastIndex(of: 0x20) == space else { return false }
            block.tokens += [start..<space, space + 1..<block.text.count]
            return true
        }
        try scanner.beginArray()
        guard try scanner.nextElement() else { return false }
        try scanner.unescape(try scanner.string(), into: &block.text)
        let middle = block.text.count
        guard try scanner.nextElement() else { return false }
        try scanner.unescape(try scanner.string(), into: &block.text)
        block.tokens.append(start..<middle)
        block.tokens.append(middle..<block.text.count)
        return try !scanner.nextElement()
    }
}
