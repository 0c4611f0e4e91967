/// The added tokens of a tokenizer that is put together from a vocabulary and the files beside it.
struct AddedTokenList {
    private let vocabulary: Vocabulary
    private var ids: [String: Int] = [:]
    private var tokens: [Int: JSONObject] = [:]
    /// One more than the largest id.
    private(set) var nextID: Int

    init(_ vocabulary: Vocabulary) {
        self.vocabulary = vocabulary
        nextID = vocabulary.upperBound
    }

    /// The id of a token, added or not; nil where there is none.
    func id(of content: String) -> Int? { ids[content] ?? vocabulary.id(of: Array(content.utf8)) }

    /// Adds a token with its flags, unless it is there.
    ///
    /// - Parameter id: where it goes if the vocabulary has not got it and the place is free; else it is the next one.
    mutating func add(_ token: ConfigurationFields, id: Int? = nil, isSpecial: Bool = false) throws(ModelFileError) {
        let content = try token.require("content", as: String.self)
        guard !content.isEmpty, ids[content] == nil else { return }
        let wanted = id.flatMap { $0 >= vocabulary.upperBound && tokens[$0] == nil ? $0 : nil }
        let place = vocabulary.id(of: Array(content.utf8)) ?? wanted ?? nextID
        guard place < Vocabulary.maximumID else { throw token.error("has the added token id \(place), which is out of range") }
        nextID = max(nextID, place + 1)
        ids[content] = place
        let special = try token.value("special", default: false) || isSpecial
        var object: JSONObject = ["id": .number(JSONNumber(place)), "content": .string(content)]
        for flag in ["single_word", "lstrip", "rstrip"] { object[flag] = .bool(try token.value(flag, default: false)) }
        object["normalized"] = .bool(try token.value("normalized", default: false))
        object["special"] = .bool(special)
        tokens[place] = object
    }

    mutating func add(_ content: String, isSpecial: Bool) throws(ModelFileError) {
        try add(ConfigurationFields(["content": .string(content)], path: ""), isSpecial: isSpecial)
    }

    /// As tokenizer.json lists them.
    var json: JSONValue { .array(tokens.keys.sorted().map { .object(tokens[$0] ?? JSONObject()) }) }
}
