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
    /// Of the last token of each sequence, int32 [S, 1].
    package let lastPositions: Tensor

    /// - Parameters:
    ///   - positions: one per token, row by row, from 0.
    ///   - ranges: the same.
    public init(positions: [Int32], ranges: [Range<Int>], batch: Int, device: Device = .cpu) {
        precondition(
            positions.count == ranges.count && batch > 0 && positions.count % batch == 0, "\(positions.count) positions, \(ranges.count) ranges")
        let span = Int(positions.max() ?? -1) + 1
        self.init(
            positions: Tensor(positions, shape: [batch, positions.count / batch], device: device), span: span, length: span, limit: span,
            ranges: AttentionRanges(ranges, batch: batch, device: device))
    }

    /// Of a sequence a row.
    init(positions: Tensor, span: Int, length: Int, limit: Int, ranges: AttentionRanges) {
        (self.positions, self.span, self.length, self.limit, self.ranges) = (positions, span, length, limit, ranges)
        let tokens = positions.shape[1]
        lastPositions = positions.narrowed(axis: 1, to: max(tokens - 1, 0)..<tokens)
    }

    /// Of whole sequences of `lengths` tokens, one after the other in one row; their keys lie as they do.
    init(packing lengths: [Int], span: Int, limit: Int, device: Device) {
        var seen: [Range<Int>] = []
        for length in lengths {
            let start = seen.count
            seen += (0..<length).map { start..<start + $0 + 1 }
        }
        positions = Tensor(lengths.flatMap { (0..<$0).map { Int32($0) } }, shape: [1, seen.count], device: device)
        lastPositions = Tensor(lengths.map { Int32($0 - 1) }, shape: [lengths.count, 1], device: device)
        (self.span, length, self.limit) = (span, lengths.max() ?? 0, limit)
        ranges = AttentionRanges(seen, batch: 1, device: device)
    }
}
