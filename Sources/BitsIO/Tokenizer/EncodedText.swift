/// A text, or a pair of them, as a model reads it.
public struct EncodedText: Sendable, Equatable {
    /// The tokens, those of the template included.
    public var ids: [Int32]
    /// For each token, the segment that it belongs to (`token_type_ids`): what the file's template says; else 0 in the first text and 1 in the second.
    public var segments: [Int32]
    /// For each token, whether the template put it there (`special_tokens_mask`).
    public var isTemplate: [Bool]

    public init(ids: [Int32] = [], segments: [Int32] = [], isTemplate: [Bool] = []) {
        self.ids = ids
        self.segments = segments
        self.isTemplate = isTemplate
    }

    public var count: Int { ids.count }

    /// Tokens of one segment.
    init(_ ids: [Int32], segment: Int32, isTemplate: Bool = false) {
        self.init(
            ids: ids, segments: [Int32](repeating: segment, count: ids.count), isTemplate: [Bool](repeating: isTemplate, count: ids.count))
    }

    mutating func append(_ other: EncodedText) {
        ids += other.ids
        segments += other.segments
        isTemplate += other.isTemplate
    }
}
