/// Where the next tokens of sequences go, whose lengths stay on the device.
///
/// For sequence b and its new token t < `tokens`: `positions[b, t] = lengths[b] + t` and `keyRanges[b, t] = [0, positions[b, t] + 1)`, so that it sees all
/// before it and itself; then `lengths[b] += tokens`. A sequence of negative length is inert: its length stays, its positions are -1 and its ranges empty.
///
/// Shapes: lengths int32 [B], positions int32 [B, tokens], keyRanges int32 [B, tokens, 2].
package struct AdvancePositions: Kernel {
    package static let name = "advance_positions"
    package var lengths: Slice
    package var tokens: Int
    package var positions: Slice
    package var keyRanges: Slice

    package init(_ lengths: Slice, by tokens: Int, positions: Slice, keyRanges: Slice) {
        precondition(
            positions.count == lengths.count * tokens && keyRanges.count == 2 * positions.count
                && [lengths, positions, keyRanges].allSatisfy { $0.dtype == .int32 },
            "\(tokens) tokens of \(lengths.count) sequences with \(positions.count) positions and \(keyRanges.count) ends of ranges")
        (self.lengths, self.tokens, self.positions, self.keyRanges) = (lengths, tokens, positions, keyRanges)
    }

    package static let operandList: OperandList<Self> = [
        .updates("lengths", \.lengths), .writes("positions", \.positions), .writes("keyRanges", \.keyRanges),
    ]
}
