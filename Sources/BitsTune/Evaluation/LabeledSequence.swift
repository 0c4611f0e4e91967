/// Tokens with the labels that they should be given.
public struct LabeledSequence: Sendable, Equatable {
    public var ids: [Int32]
    /// Which part of its sequence each token belongs to; nil where all are of the first.
    public var segments: [Int32]?
    /// One for a sequence that is classified as a whole, else one for each token; -100 for one that does not count.
    public var labels: [Int32]

    public init(_ ids: [Int32], segments: [Int32]? = nil, labels: [Int32]) {
        precondition(segments == nil || segments!.count == ids.count, "\(segments!.count) segments for \(ids.count) tokens")
        (self.ids, self.segments, self.labels) = (ids, segments, labels)
    }
}
