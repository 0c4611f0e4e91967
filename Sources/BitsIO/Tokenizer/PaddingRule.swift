/// How texts of different lengths are filled up to one: the `padding` of tokenizer.json.
///
/// A file may have one; it is offered (``Tokenizer/padding``) and applied only where it is asked for.
public struct PaddingRule: Sendable, Equatable {
    /// The length that texts are filled up to; nil takes the longest one's.
    public var length: Int?
    /// Lengths are rounded up to a multiple of this.
    public var multiple: Int
    public var token: Int32
    public var segment: Int32
    /// Whether tokens are put at the end; else at the beginning.
    public var fillsEnd: Bool

    /// - Parameters:
    ///   - length: from 0; nil (the default) takes the longest text's.
    ///   - multiple: from 1, the default.
    public init(token: Int32, segment: Int32 = 0, length: Int? = nil, multiple: Int = 1, fillsEnd: Bool = true) {
        precondition(
            multiple >= 1 && length ?? 0 >= 0, "a multiple from 1 and a length from 0 were expected; they are \(multiple) and \(length ?? 0)")
        self.token = token
        self.segment = segment
        self.length = length
        self.multiple = multiple
        self.fillsEnd = fillsEnd
    }

    /// The most tokens that a file may fill up to.
    private static let maximumLength = 1 << 20

    init(_ fields: ConfigurationFields) throws(ModelFileError) {
        var length: Int?
        switch fields.object["strategy"] ?? "BatchLongest" {
        case "BatchLongest": break
        case .object(let object): length = try ConfigurationFields(object, path: fields.path).require("Fixed")
        case let strategy:
            throw fields.error("has the padding strategy \(strategy.compactText); \"BatchLongest\" or {\"Fixed\": length} was expected")
        }
        let multiple = max(1, try fields.value("pad_to_multiple_of", default: 1))
        guard 0...PaddingRule.maximumLength ~= length ?? 0, multiple <= PaddingRule.maximumLength else {
            throw fields.error("has the padding length \(length ?? 0) and multiple \(multiple); at most \(PaddingRule.maximumLength) was expected")
        }
        self.init(
            token: try fields.value("pad_id", default: 0), segment: try fields.value("pad_type_id", default: 0), length: length, multiple: multiple,
            fillsEnd: try fields.isRight("padding"))
    }

    /// Texts of one length, and for each token whether it is one of the text's (`attention_mask`).
    ///
    /// What is put there counts as the template's. A text longer than a fixed length stays as it is.
    public func apply(_ texts: [EncodedText]) -> (texts: [EncodedText], isText: [[Bool]]) {
        let wanted = length ?? texts.map(\.count).max() ?? 0
        let target = (wanted + multiple - 1) / multiple * multiple
        var masks = [[Bool]]()
        let padded = texts.map { text in
            let padding = EncodedText([Int32](repeating: token, count: max(0, target - text.count)), segment: segment, isTemplate: true)
            let (own, other) = ([Bool](repeating: true, count: text.count), [Bool](repeating: false, count: padding.count))
            masks.append(fillsEnd ? own + other : other + own)
            var result = fillsEnd ? text : padding
            result.append(fillsEnd ? padding : text)
            return result
        }
        return (padded, masks)
    }
}
