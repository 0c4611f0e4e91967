extension PreTokenizer {
    /// GPT-2's expression, which byte-level tokenizers split by unless told otherwise.
    private static let gpt2Expression = #"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"#

    private static let known = [
        "BertPreTokenizer", "ByteLevel", "CharDelimiterSplit", "Digits", "Metaspace", "Punctuation", "Sequence", "Split", "Whitespace",
        "WhitespaceSplit",
    ]

    init(_ fields: ConfigurationFields) throws(ModelFileError) { self.init(try PreTokenizer.steps(fields)) }

    private static func steps(_ fields: ConfigurationFields) throws(ModelFileError) -> [Step] {
        switch try fields.require("type", as: String.self) {
        case "Sequence":
            var steps = [Step]()
            for part in try fields.sections("pretokenizers") { steps += try PreTokenizer.steps(part) }
            return steps
        case "ByteLevel":
            let prefix = try fields.value("add_prefix_space", default: true) ? [Step.prefixSpace] : []
            let splits = try fields.value("use_regex", default: true)
            return prefix + (splits ? [.split(Splitter(try fields.regularExpression(gpt2Expression, "pre_tokenizer"), .isolated))] : []) + [.alphabet]
        case "Split":
            let expression = try fields.pattern("pre_tokenizer 'Split'")
            return [.split(Splitter(expression, try behavior(fields, default: nil), isInverted: try fields.value("invert", default: false)))]
        case "Digits":
            return [try split(fields, at: .numeric, try fields.value("individual_digits", default: false) ? .isolated : .contiguous)]
        case "Punctuation": return [try split(fields, at: .punctuation, try behavior(fields, default: .isolated))]
        case "WhitespaceSplit": return [try split(fields, at: .whitespace, .removed)]
        case "BertPreTokenizer": return [try split(fields, at: .whitespace, .removed), try split(fields, at: .punctuation, .isolated)]
        case "Whitespace":
            let others = ScalarSet.plainWord.union(.whitespace).inverted
            let words = try fields.understood("pre_tokenizer") { () throws(ExpressionError) in try RegularExpression(runsOf: [.plainWord, others]) }
            return [.split(Splitter(words, .removed, isInverted: true))]
        case "CharDelimiterSplit":
            let delimiter = try fields.require("delimiter", as: String.self)
            guard delimiter.unicodeScalars.count == 1, let scalar = delimiter.unicodeScalars.first else {
                throw fields.error("has the delimiter '\(delimiter)'; one character was expected")
            }
            return [try split(fields, at: ScalarSet(scalar.value), .removed)]
        case "Metaspace": return [.metaspace(try Metaspace(fields))]
        case let type: throw fields.unsupportedComponent("pre_tokenizer", type, known: known)
        }
    }

    private static func split(_ fields: ConfigurationFields, at set: ScalarSet, _ behavior: Splitter.Behavior) throws(ModelFileError) -> Step {
        .split(Splitter(try fields.understood("pre_tokenizer") { () throws(ExpressionError) in try RegularExpression(anyOf: set) }, behavior))
    }

    private static func behavior(_ fields: ConfigurationFields, default standard: Splitter.Behavior?) throws(ModelFileError) -> Splitter.Behavior {
        guard let name = try fields.optional("behavior", as: String.self) else {
            guard let standard else { throw fields.error("has no behavior in its pre_tokenizer") }
            return standard
        }
        guard let behavior = Splitter.Behavior(rawValue: name) else {
            throw fields.error("has the behavior '\(name)'; one of Removed, Isolated, MergedWithPrevious, MergedWithNext, Contiguous was expected")
        }
        return behavior
    }
}
