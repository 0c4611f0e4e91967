/// How text is cut into pieces that are encoded one by one: the `pre_tokenizer` of tokenizer.json.
struct PreTokenizer: Sendable {
    enum Step {
        case split(Splitter)
        /// Puts a space before a piece that has none.
        case prefixSpace
        /// Spaces become marks of words' starts, which begin the pieces.
        case metaspace(Metaspace)
        /// Bytes become characters of GPT-2's alphabet.
        case alphabet
    }

    struct Metaspace: Sendable, Equatable {
        enum Prefix: String { case always, first, never }
        var mark: [UInt8]
        var prefix: Prefix
        var splits: Bool
    }

    private let steps: [Step]
    /// Whether pieces are encoded as bytes.
    let isByteLevel: Bool

    /// One piece, without steps.
    init(_ steps: [Step] = []) {
        // A model of bytes takes them as they are; only steps behind would see the alphabet.
        if case .alphabet? = steps.last { isByteLevel = true } else { isByteLevel = false }
        self.steps = isByteLevel ? steps.dropLast() : steps
    }

    /// Whether a piece without a space before it gets one.
    var prefixesSpace: Bool { steps.contains { if case .prefixSpace = $0 { true } else { false } } }

    /// The same steps for a model of characters, which needs the alphabet written.
    var writingAlphabet: PreTokenizer { PreTokenizer(ofCharacters: steps + (isByteLevel ? [.alphabet] : [])) }

    private init(ofCharacters steps: [Step]) {
        self.steps = steps
        isByteLevel = false
    }

    /// Gives `body` the pieces of `text` in order.
    ///
    /// - Parameter isStart: whether `text` is the beginning of what is encoded.
    func split(_ text: Span<UInt8>, isStart: Bool, _ body: (Span<UInt8>) -> Void) { split(text, steps[...], isStart, body) }

    private func split(_ text: Span<UInt8>, _ steps: ArraySlice<Step>, _ isStart: Bool, _ body: (Span<UInt8>) -> Void) {
        guard let step = steps.first else { return body(text) }
        let rest = steps.dropFirst()
        switch step {
        case .split(let splitter):
            splitter.split(text) { range in
                let piece = text.extracting(range)
                if rest.isEmpty { body(piece) } else { split(piece, rest, isStart && range.lowerBound == 0, body) }
            }
        case .prefixSpace:
            guard text.count > 0, text[0] != 0x20 else { return split(text, rest, isStart, body) }
            var prefixed: [UInt8] = [0x20]
            for index in text.indices { prefixed.append(text[index]) }
            split(prefixed.span, rest, isStart, body)
        case .metaspace(let metaspace):
            let marked = metaspace.marked(text, isStart: isStart)
            guard metaspace.splits else { return split(marked.span, rest, isStart, body) }
            var start = 0
            while start < marked.count {
                let end = metaspace.nextMark(in: marked, from: start + 1)
                split(marked.span.extracting(start..<end), rest, isStart && start == 0, body)
                start = end
            }
        case .alphabet:
            let written = ByteAlphabet.encoded(text.indices.map { text[$0] })
            split(written.span, rest, isStart, body)
        }
    }
}

extension PreTokenizer.Metaspace {
    init(_ fields: ConfigurationFields) throws(ModelFileError) {
        mark = Array(try fields.value("replacement", default: "▁").utf8)
        // Older files say only whether there is a prefix.
        let name = try fields.value("prepend_scheme", default: try fields.value("add_prefix_space", default: true) ? "always" : "never")
        guard let prefix = Prefix(rawValue: name), !mark.isEmpty else {
            throw fields.error("has the prepend_scheme '\(name)'; one of always, first, never was expected")
        }
        self.prefix = prefix
        splits = try fields.value("split", default: true)
    }

    func marked(_ text: Span<UInt8>, isStart: Bool) -> [UInt8] {
        let marked = TextReplacement.replacing([0x20], with: mark, in: text)
        let prepends = !marked.starts(with: mark) && (prefix == .always || prefix == .first && isStart)
        return prepends ? mark + marked : marked
    }

    func nextMark(in text: [UInt8], from start: Int) -> Int {
        var index = start
        while index < text.count && !text[index...].starts(with: mark) { index += 1 }
        return index
    }
}
