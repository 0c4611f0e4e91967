/// Puts one text in the place of others: the `Replace` of normalizers and decoders.
struct TextReplacement: Sendable {
    private enum Pattern: Sendable {
        case text([UInt8])
        case expression(RegularExpression)
    }

    private let pattern: Pattern
    private let content: [UInt8]

    init(_ fields: ConfigurationFields, _ component: String) throws(ModelFileError) {
        content = Array(try fields.require("content", as: String.self).utf8)
        guard let section = try fields.section("pattern") else { throw fields.error("has no pattern in its \(component)") }
        if let expression = try section.optional("Regex", as: String.self) {
            pattern = .expression(try fields.regularExpression(expression, component))
        } else {
            let text = Array(try section.require("String", as: String.self).utf8)
            guard !text.isEmpty else { throw fields.error("has an empty pattern in its \(component)") }
            pattern = .text(text)
        }
    }

    /// How much longer it can make a text.
    var growth: Int {
        switch pattern {
        case .text(let text): max(1, (content.count + text.count - 1) / text.count)
        // Where nothing is matched, the content is put between all bytes.
        case .expression: content.count + 1
        }
    }

    /// `text` with every match, from the left, replaced. Nothing is matched in an empty one.
    func apply(_ text: Span<UInt8>) -> [UInt8] {
        switch pattern {
        case .text(let pattern): TextReplacement.replacing(pattern, with: content, in: text)
        case .expression(let expression): text.count == 0 ? [] : expression.replacing(with: content, in: text)
        }
    }

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
