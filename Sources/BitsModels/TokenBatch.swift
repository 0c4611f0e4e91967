public import BitsCore

/// Token ids with what attention needs to know about them: positions, and which keys each token sees.
public struct TokenBatch {
    /// [B, T] int32
    public let ids: Tensor
    public let places: TokenPlaces

    public var batch: Int { ids.shape[0] }
    public var length: Int { ids.shape[1] }

    private init(ids: [Int32], batch: Int, positions: [Int32], ranges: [Range<Int>], device: Device) {
        self.ids = Tensor(ids, shape: [batch, ids.count / batch], device: device)
        places = TokenPlaces(positions: positions, ranges: ranges, batch: batch, device: device)
    }

    /// One sequence: each token sees all before it and itself.
    public init(_ ids: [Int32], device: Device = .cpu) {
        precondition(!ids.isEmpty, "an empty sequence")
        self.init(ids: ids, batch: 1, positions: ids.indices.map { Int32($0) }, ranges: ids.indices.map { 0..<$0 + 1 }, device: device)
    }

    /// The next tokens of sequences that a cache holds, [B, T] int32, which see all of their sequence before them: the pass that adds them to the cache.
    public init(_ ids: Tensor, continuing cache: KeyValueCache) {
        precondition(ids.rank == 2 && ids.shape[0] == cache.sequences, "tokens \(ids) for a cache of \(cache.sequences) sequences")
        self.ids = ids
        places = cache.advance(by: ids.shape[1])
    }

    /// The same for a cache of one sequence.
    public init(_ ids: [Int32], continuing cache: KeyValueCache, device: Device = .cpu) {
        self.init(Tensor(ids, shape: [1, ids.count], device: device), continuing: cache)
    }

    /// Several sequences one after the other in one row, none of which sees another: a batch without padding.
    public init(packing sequences: [[Int32]], device: Device = .cpu) {
        var (ids, positions, ranges): ([Int32], [Int32], [Range<Int>]) = ([], [], [])
        for sequence in sequences {
            let start = ids.count
            ids += sequence
            positions += sequence.indices.map { Int32($0) }
            ranges += sequence.indices.map { start..<start + $0 + 1 }
        }
        precondition(!ids.isEmpty, "an empty batch")
        self.init(ids: ids, batch: 1, positions: positions, ranges: ranges, device: device)
    }

    /// Rows of equal length with a mask of real tokens (the `attention_mask` of the Python stack): padding may lead or trail, not interrupt.
    ///
    /// A token sees the real tokens up to itself. Positions count from the first real token; leading padding is at position 0.
    public init(_ rows: [[Int32]], mask: [[Bool]], device: Device = .cpu) {
        precondition(!rows.isEmpty && rows.count == mask.count, "\(rows.count) rows and \(mask.count) masks")
        var (positions, ranges): ([Int32], [Range<Int>]) = ([], [])
        for (row, real) in zip(rows, mask) {
            precondition(row.count == rows[0].count && real.count == row.count, "rows and masks of different lengths")
            let first = real.firstIndex(of: true) ?? row.count
            let end = (real.lastIndex(of: true) ?? -1) + 1
            precondition(
                first >= end || real[first..<end].allSatisfy { $0 }, "padding between real tokens is not supported; put it before or after them")
            for token in row.indices {
                positions.append(Int32(max(0, token - first)))
                let last = min(token + 1, end)
                ranges.append(first < last ? first..<last : 0..<0)
            }
        }
        self.init(ids: rows.flatMap { $0 }, batch: rows.count, positions: positions, ranges: ranges, device: device)
    }
}
