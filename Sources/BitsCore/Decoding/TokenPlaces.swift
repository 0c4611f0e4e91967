/// Where the tokens of a pass stand in their sequences, and what each of them sees.
public struct TokenPlaces: Sendable {
    /// int32 [B, T], from 0; -1 for a token of a sequence that has ended.
    public let positions: Tensor
    /// Positions are below it.
    public let span: Int
    /// Tokens of the longest sequence, these included.
    public let length: Int
    /// Tokens that a sequence may grow to.
    public let limit: Int
    /// The keys that each token attends to.
    public let ranges: AttentionRanges

    /// - Parameters:
    ///   - positions: one per token, row by row, from 0.
    ///   - ranges: the same.
    public init(positions: [Int32], ranges: [Range<Int>], batch: Int, device: Device = .cpu) {
        precondition(
            positions.count == ranges.count && batch > 0 && positions.count % batch == 0, "\(positions.count) positions, \(ranges.count) ranges")
        self.positions = Tensor(positions, shape: [batch, positions.count / batch], device: device)
        self.ranges = AttentionRanges(ranges, batch: batch, device: device)
        span = Int(positions.max() ?? -1) + 1
        (length, limit) = (span, span)
    }

    init(positions: Tensor, span: Int, length: Int, limit: Int, ranges: AttentionRanges) {
        (self.positions, self.span, self.length, self.limit, self.ranges) = (positions, span, length, limit, ranges)
    }
}
