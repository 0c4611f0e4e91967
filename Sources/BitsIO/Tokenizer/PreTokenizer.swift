/// How text is cut into pieces that are encoded one by one: the `pre_tokenizer` of tokenizer.json.
struct PreTokenizer: Sendable {
    private enum Step {
        case split(SplitPattern)
        /// Puts a space before a piece that has none.
        case prefixSpace
        /// Spaces become marks of words' starts, which begin the pieces.
        case metaspace(Metaspace)
    }

    struct Metaspace: Sendable, Equatable {
        enum Prefix: String { case always, first, never }
        var mark: [UInt8]
        var prefix: Prefix
        var splits: Bool
    }

    private var steps: [Step] = []
    /// Whether pieces are encoded as bytes.
    private(set) var isByteLevel = false

    /// One piece.
    init() {}

    init(_ fields: ConfigurationFields) throws(ModelFileError) {
        switch try fields.require("type", as: String.self) {
        case "Sequence":
            for part in try fields.sections("pretokenizers") {
                guard !isByteLevel else { throw fields.error("has a pre_tokenizer after ByteLevel; ByteLevel was expected to be the last") }
                let next = try PreTokenizer(part)
                steps += next.steps
                isByteLevel = next.isByteLevel
            }
        case "ByteLevel":
            isByteLevel = true
            if try fields.value("add_prefix_space", default: true) { steps.append(.prefixSpace) }
            if try fields.value("use_regex", default: true) { steps.append(.split(.gpt2)) }
        case "Split": steps = [.split(try PreTokenizer.pattern(fields))]
        case "Digits": steps = [.split(.digits(individual: try fields.value("individual_digits", default: false)))]
        case "Metaspace": steps = [.metaspace(try Metaspace(fields))]
        case let type: throw fields.unsupportedComponent("pre_tokenizer", type)
        }
    }

    private static func pattern(_ fields: ConfigurationFields) throws(ModelFileError) -> SplitPattern {
        guard let section = try fields.section("pattern"), let expression = try section.optional("Regex", as: String.self) else {
            throw .unsupported(path: fields.path, "has a pre_tokenizer 'Split' by a plain string, which is not implemented")
        }
        guard let pattern = SplitPattern(expression) else {
            throw .unsupported(path: fields.path, "splits by the regular expression '\(expression)', which is not one of those implemented")
        }
        let behavior = try fields.require("behavior", as: String.self)
        let isInverted = try fields.value("invert", default: false)
        // Where matches cover the text, keeping what matches is the same as cutting at it.
        guard behavior == "Isolated" && !isInverted || behavior == "Removed" && isInverted && pattern != .bloom else {
            throw .unsupported(path: fields.path, "has a pre_tokenizer 'Split' with behavior '\(behavior)', which is not implemented; 'Isolated' is")
        }
        return pattern
    }

    /// Gives `body` the pieces of `text` in order.
    ///
    /// - Parameter isStart: whether `text` is the beginning of what is encoded.
    func split(_ text: Span<UInt8>, isStart: Bool, _ body: (Span<UInt8>) -> Void) { split(text, steps[...], isStart, body) }

    private func split(_ text: Span<UInt8>, _ steps: ArraySlice<Step>, _ isStart: Bool, _ body: (Span<UInt8>) -> Void) {
        guard let step = steps.first else { return body(text) }
        let rest = steps.dropFirst()
        switch step {
        case .split(let pattern):
            var index = 0
            while index < text.count {
                let end = pattern.end(of: text, from: index)
                let piece = text.extracting(index..<end)
                if rest.isEmpty { body(piece) } else { split(piece, rest, isStart && index == 0, body) }
                index = end
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
        let marked = Normalizer.replacing([0x20], with: mark, in: text)
        let prepends = !marked.starts(with: mark) && (prefix == .always || prefix == .first && isStart)
        return prepends ? mark + marked : marked
    }

    func nextMark(in text: [UInt8], from start: Int) -> Int {
        var index = start
        while index < text.count && !text[index...].starts(with: mark) { index += 1 }
        return index
    }
}
