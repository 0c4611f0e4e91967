/// How tokens become text again: the `decoder` of tokenizer.json.
struct TokenDecoder: Sendable {
    enum Kind: Sendable, Equatable {
        /// Tokens apart, with a space between: what happens without a decoder.
        case spaced
        /// Tokens are bytes in GPT-2's alphabet.
        case byteLevel
        /// Tokens are text, one after the other.
        case text
        /// As text, with spaces for the marks of words' starts; the first token loses its mark when `dropsFirst`.
        case metaspace(mark: [UInt8], dropsFirst: Bool)
    }

    var kind = Kind.spaced
    var replacements: [(from: [UInt8], to: [UInt8])] = []
    /// Whether tokens like `<0x0A>` are bytes.
    var fallsBackToBytes = false
    /// A character, and how many of it are dropped from the start of the text.
    var dropped: (character: [UInt8], count: Int) = ([], 0)
    private var isFused = false

    init() {}

    init(_ fields: ConfigurationFields) throws(ModelFileError) {
        kind = .text
        try add(fields)
        if !isFused && dropped.count > 0 { throw fields.unsupportedComponent("decoder", "Strip without Fuse") }
    }

    private mutating func add(_ fields: ConfigurationFields) throws(ModelFileError) {
        let type = try fields.require("type", as: String.self)
        // Each step works on what the ones before leave; the order that tokenizers use is taken for granted below.
        guard kind == .text, !isFused || type == "Strip" || type == "Fuse" || type == "Sequence" else {
            throw fields.unsupportedComponent("decoder", "\(type) after another")
        }
        switch type {
        case "Sequence": for part in try fields.sections("decoders") { try add(part) }
        case "ByteLevel":
            guard replacements.isEmpty, !fallsBackToBytes else { throw fields.unsupportedComponent("decoder", "ByteLevel after another") }
            kind = .byteLevel
        case "Metaspace":
            let metaspace = try PreTokenizer.Metaspace(fields)
            kind = .metaspace(mark: metaspace.mark, dropsFirst: metaspace.prefix != .never)
        case "Replace":
            guard !fallsBackToBytes else { throw fields.unsupportedComponent("decoder", "Replace after ByteFallback") }
            replacements.append((try fields.literalPattern("decoder 'Replace'"), Array(try fields.require("content", as: String.self).utf8)))
        case "ByteFallback": fallsBackToBytes = true
        case "Fuse": isFused = true
        case "Strip":
            let content = try fields.require("content", as: String.self)
            guard try fields.value("stop", default: 0) == 0, dropped.count == 0, content.unicodeScalars.count == 1 else {
                throw fields.unsupportedComponent("decoder", "Strip at the end")
            }
            dropped = (Array(content.utf8), try fields.value("start", default: 0))
        default: throw fields.unsupportedComponent("decoder", type)
        }
    }
}
