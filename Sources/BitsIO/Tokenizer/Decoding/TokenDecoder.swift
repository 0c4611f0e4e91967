/// How tokens become text again: the `decoder` of tokenizer.json.
///
/// Each step takes the tokens that the one before leaves; what is left at the end is put together.
struct TokenDecoder: Sendable {
    enum Step: Sendable {
        /// Tokens apart, with a space between: what happens without a decoder.
        case spaced
        /// Tokens are bytes in GPT-2's alphabet.
        case byteLevel
        /// Tokens are words, but those that begin with the prefix continue one.
        case wordPiece(prefix: [UInt8], cleansUp: Bool)
        /// Spaces for the marks of words' starts; the first token loses its marks when `dropsFirst`.
        case metaspace(mark: [UInt8], dropsFirst: Bool)
        /// Words end with the suffix.
        case endOfWord(suffix: [UInt8])
        /// Tokens that repeat count once; those that only fill are dropped.
        case ctc(padding: [UInt8], delimiter: [UInt8], cleansUp: Bool)
        /// Tokens like `<0x0A>` are bytes.
        case byteFallback
        /// All tokens become one.
        case fuse
        /// Up to so many of a character are dropped from the ends of each token.
        case strip([UInt8], start: Int, stop: Int)
        case replace(TextReplacement)

        /// Whether it leaves one token.
        var isFusing: Bool {
            switch self {
            case .fuse, .byteLevel: true
            default: false
            }
        }
    }

    private(set) var steps: [Step] = [.spaced]

    init() {}

    init(_ fields: ConfigurationFields) throws(ModelFileError) {
        steps = []
        try add(fields)
    }

    private static let known = [
        "ByteLevel", "WordPiece", "Metaspace", "BPEDecoder", "CTC", "ByteFallback", "Fuse", "Strip", "Replace", "Sequence",
    ]

    private mutating func add(_ fields: ConfigurationFields) throws(ModelFileError) {
        func bytes(_ key: String, _ fallback: String) throws(ModelFileError) -> [UInt8] { Array(try fields.value(key, default: fallback).utf8) }
        switch try fields.require("type", as: String.self) {
        case "Sequence": for part in try fields.sections("decoders") { try add(part) }
        case "ByteLevel": steps.append(.byteLevel)
        case "WordPiece": steps.append(.wordPiece(prefix: try bytes("prefix", "##"), cleansUp: try fields.value("cleanup", default: true)))
        case "Metaspace":
            let metaspace = try PreTokenizer.Metaspace(fields)
            steps.append(.metaspace(mark: metaspace.mark, dropsFirst: metaspace.prefix != .never))
        case "BPEDecoder":
            let suffix = try bytes("suffix", "</w>")
            guard !suffix.isEmpty else {
                throw fields.error("has an empty suffix in its decoder 'BPEDecoder'; the end of a word was expected, such as </w>")
            }
            steps.append(.endOfWord(suffix: suffix))
        case "CTC":
            let (padding, delimiter) = (try bytes("pad_token", "<pad>"), try bytes("word_delimiter_token", "|"))
            guard !padding.isEmpty, !delimiter.isEmpty else {
                throw fields.error("has an empty token in its decoder 'CTC'; a pad_token and a word_delimiter_token were expected")
            }
            steps.append(.ctc(padding: padding, delimiter: delimiter, cleansUp: try fields.value("cleanup", default: true)))
        case "ByteFallback": steps.append(.byteFallback)
        case "Fuse": steps.append(.fuse)
        case "Strip":
            let content = try fields.require("content", as: String.self)
            let (start, stop) = (try fields.value("start", default: 0), try fields.value("stop", default: 0))
            guard content.unicodeScalars.count == 1, start >= 0, stop >= 0 else {
                throw fields.error("strips '\(content)', \(start) and \(stop) times, in its decoder; one character and counts from 0 were expected")
            }
            steps.append(.strip(Array(content.utf8), start: start, stop: stop))
        case "Replace": steps.append(.replace(try TextReplacement(fields, "decoder 'Replace'")))
        case let type: throw fields.unsupportedComponent("decoder", type, known: TokenDecoder.known)
        }
    }
}
