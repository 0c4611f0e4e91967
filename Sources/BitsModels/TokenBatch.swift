public import BitsCore

/// Sequences of tokens: what they are and where they lie. What a token may see is the model's affair, see ``ranges(_:)``.
public struct TokenBatch {
    /// What the tokens of a model see of their own sequence. They never see another one, nor padding.
    public enum Visibility: Sendable {
        /// All before them and themselves.
        case causal
        /// All of it.
        case full
    }

    /// [B, T] int32
    public let ids: Tensor
    /// Where the tokens stand in their sequences, and what is before them.
    public let places: TokenPlaces
    /// Which part of its sequence each token belongs to, [B, T] int32 (`token_type_ids` of the Python stack); nil where all are of the first.
    public let segments: Tensor?
    /// The sequences, one after the other, each by its real tokens' places in the rows written one after the other.
    public let sequences: [Range<Int>]
    /// Whether a cache holds tokens before these.
    private let continues: Bool

    public var batch: Int { ids.shape[0] }
    public var length: Int { ids.shape[1] }
    public var device: Device { ids.device }
    /// Real tokens of each sequence.
    public var lengths: [Int] { sequences.map(\.count) }

    private init(ids: [Int32], batch: Int, positions: [Int32], sequences: [Range<Int>], segments: [Int32]? = nil, device: Device) {
        let shape = [batch, ids.count / batch]
        precondition(segments == nil || segments!.count == ids.count, "\(segments!.count) segments for \(ids.count) tokens")
        self.ids = Tensor(ids, shape: shape, device: device)
        self.segments = segments.map { Tensor($0, shape: shape, device: device) }
        self.sequences = sequences
        let ranges = TokenBatch.ranges(.causal, of: sequences, batch: batch, length: shape[1])
        places = TokenPlaces(positions: positions, ranges: ranges, batch: batch, device: device)
        continues = false
    }

    /// One sequence.
    public init(_ ids: [Int32], device: Device = .cpu) {
        precondition(!ids.isEmpty, "an empty sequence")
        self.init(ids: ids, batch: 1, positions: ids.indices.map { Int32($0) }, sequences: [0..<ids.count], device: device)
    }

    /// The next tokens of sequences that a cache holds, [B, T] int32: the pass that adds them to the cache.
    public init(_ ids: Tensor, continuing cache: KeyValueCache) {
        precondition(ids.rank == 2 && ids.shape[0] == cache.sequences, "tokens \(ids) for a cache of \(cache.sequences) sequences")
        self.ids = ids
        places = cache.advance(by: ids.shape[1])
        segments = nil
        sequences = (0..<ids.shape[0]).map { $0 * ids.shape[1]..<($0 + 1) * ids.shape[1] }
        continues = true
    }

    /// The same for a cache of one sequence.
    public init(_ ids: [Int32], continuing cache: KeyValueCache, device: Device = .cpu) {
        self.init(Tensor(ids, shape: [1, ids.count], device: device), continuing: cache)
    }

    /// The first tokens of the sequences of a cache, packed: the pass that adds them to the cache.
    ///
    /// - Parameter cache: of as many sequences, without tokens so far.
    init(packing sequences: [[Int32]], beginning cache: KeyValueCache, device: Device) {
        ids = Tensor(sequences.flatMap { $0 }, shape: [1, sequences.reduce(0) { $0 + $1.count }], device: device)
        places = cache.begin(sequences.map(\.count))
        segments = nil
        self.sequences = TokenBatch.packed(sequences)
        continues = true
    }

    /// Several sequences one after the other in one row: a batch without padding.
    public init(packing sequences: [[Int32]], segments: [[Int32]]? = nil, device: Device = .cpu) {
        let ranges = TokenBatch.packed(sequences)
        precondition(ranges.contains { !$0.isEmpty }, "an empty batch")
        self.init(
            ids: sequences.flatMap { $0 }, batch: 1, positions: sequences.flatMap { $0.indices.map { Int32($0) } }, sequences: ranges,
            segments: segments.map { $0.flatMap { $0 } }, device: device)
    }

    private static func packed(_ sequences: [[Int32]]) -> [Range<Int>] {
        var ranges: [Range<Int>] = []
        for sequence in sequences {
            let start = ranges.last?.upperBound ?? 0
            ranges.append(start..<start + sequence.count)
        }
        return ranges
    }

    /// Rows of equal length with a mask of real tokens (the `attention_mask` of the Python stack): padding may lead or trail, not interrupt.
    ///
    /// Positions count from the first real token; leading padding is at position 0.
    public init(_ rows: [[Int32]], mask: [[Bool]], segments: [[Int32]]? = nil, device: Device = .cpu) {
        precondition(!rows.isEmpty && rows.count == mask.count, "\(rows.count) rows and \(mask.count) masks")
        var (positions, sequences): ([Int32], [Range<Int>]) = ([], [])
        for (row, real) in zip(rows, mask) {
            precondition(row.count == rows[0].count && real.count == row.count, "rows and masks of different lengths")
            let first = real.firstIndex(of: true) ?? 0
            let end = (real.lastIndex(of: true) ?? -1) + 1
            precondition(
                first >= end || real[first..<end].allSatisfy { $0 }, "padding between real tokens is not supported; put it before or after them")
            sequences.append(positions.count + first..<positions.count + end)
            positions += row.indices.map { Int32(max(0, $0 - first)) }
        }
        self.init(
            ids: rows.flatMap { $0 }, batch: rows.count, positions: positions, sequences: sequences, segments: segments.map { $0.flatMap { $0 } },
            device: device)
    }

    /// The keys that each token attends to. Padding sees what a token of its row's sequence at its place would.
    public func ranges(_ visibility: Visibility) -> AttentionRanges {
        if visibility == .causal { return places.ranges }
        precondition(!continues, "tokens that continue a cache cannot see what comes after them")
        return AttentionRanges(TokenBatch.ranges(visibility, of: sequences, batch: batch, length: length), batch: batch, device: device)
    }

    /// Whether there is a sequence a row, which ends where the row does.
    var endsRows: Bool { sequences.count == batch && sequences.enumerated().allSatisfy { $1.upperBound == ($0 + 1) * length } }

    private static func ranges(_ visibility: Visibility, of sequences: [Range<Int>], batch: Int, length: Int) -> [Range<Int>] {
        var ranges: [Range<Int>] = []
        for (index, sequence) in sequences.enumerated() {
            // A sequence takes what is before it and after it of its row, up to the next one's tokens.
            let row = min(sequence.lowerBound, batch * length - 1) / length * length
            let isLast = index == sequences.count - 1 || sequences[index + 1].lowerBound >= row + length
            let (first, end) = (sequence.lowerBound - row, sequence.upperBound - row)
            for token in ranges.count..<(isLast ? row + length : sequence.upperBound) {
                let last = visibility == .causal ? min(token - row + 1, end) : end
                ranges.append(first < last ? first..<last : 0..<0)
            }
        }
        return ranges
    }
}
