/// What is done to text before it is split: the `normalizer` of tokenizer.json.
struct Normalizer: Sendable {
    private enum Step {
        case prepend([UInt8])
        case replace([UInt8], with: [UInt8])
        case composed

        /// How much longer it can make a text.
        var growth: Int {
            switch self {
            case .replace(let pattern, let content): max(1, (content.count + pattern.count - 1) / pattern.count)
            case .prepend, .composed: 1
            }
        }
    }

    /// The most that all steps together may lengthen a text; those in use make three bytes of one.
    private static let growthLimit = 256

    private var steps: [Step] = []

    /// Does nothing.
    init() {}

    init(_ fields: ConfigurationFields) throws(ModelFileError) {
        switch try fields.require("type", as: String.self) {
        case "Sequence":
            for part in try fields.sections("normalizers") { steps += try Normalizer(part).steps }
        case "Prepend": steps = [.prepend(Array(try fields.require("prepend", as: String.self).utf8))]
        case "Replace":
            let content = try fields.require("content", as: String.self)
            steps = [.replace(try fields.literalPattern("normalizer 'Replace'"), with: Array(content.utf8))]
        case "NFC": steps = [.composed]
        case let type: throw fields.unsupportedComponent("normalizer", type)
        }
        var growth = 1
        for step in steps {
            // Below the limit before each step, so the product fits.
            growth *= min(step.growth, Normalizer.growthLimit + 1)
            guard growth <= Normalizer.growthLimit else {
                throw .unsupported(
                    path: fields.path,
                    "has a normalizer that makes more than \(Normalizer.growthLimit) bytes of one, so that a short prompt would fill the memory; "
                        + "use the tokenizer that belongs to the model")
            }
        }
    }

    var isEmpty: Bool { steps.isEmpty }

    func apply(_ text: [UInt8]) -> [UInt8] {
        var text = text
        for step in steps {
            switch step {
            case .prepend(let prefix): if !text.isEmpty { text = prefix + text }
            case .replace(let pattern, let content): text = Normalizer.replacing(pattern, with: content, in: text.span)
            case .composed: text = CanonicalComposition.apply(text)
            }
        }
        return text
    }

    /// `text` with every occurrence of `pattern`, from the left, replaced.
    static func replacing(_ pattern: [UInt8], with content: [UInt8], in text: Span<UInt8>) -> [UInt8] {
        var result = [UInt8]()
        result.reserveCapacity(text.count + text.count / 4)
        let first = pattern[0]
        var index = 0
        while index < text.count {
            if text[index] == first, index + pattern.count <= text.count,
                (1..<pattern.count).allSatisfy({ text[index + $0] == pattern[$0] })
            {
                result.append(contentsOf: content)
                index += pattern.count
            } else {
                result.append(text[index])
                index += 1
            }
        }
        return result
    }
}

extension ConfigurationFields {
    /// The string to look for in `pattern`; regular expressions are not evaluated.
    func literalPattern(_ component: String) throws(ModelFileError) -> [UInt8] {
        guard let pattern = try section("pattern") else { throw error("has no pattern in \(component)") }
        if let expression = try pattern.optional("Regex", as: String.self) {
            throw .unsupported(path: path, "has the regular expression '\(expression)' in \(component), which is not implemented")
        }
        let text = try pattern.require("String", as: String.self)
        guard !text.isEmpty else { throw error("has an empty pattern in \(component)") }
        return Array(text.utf8)
    }

    func unsupportedComponent(_ kind: String, _ type: String) -> ModelFileError {
        .unsupported(path: path, "has the \(kind) '\(type)', which is not implemented; byte-pair tokenizers of the GPT-2 and Llama kinds are")
    }
}
