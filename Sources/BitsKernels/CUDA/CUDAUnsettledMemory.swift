/// What may still be being written while a launch begins that overlaps with those before it: whatever else it reads, it need not wait for.
///
/// A launch that does not overlap, and a copy, begin when all before them is done. So what was written before the last of these is settled for whoever comes
/// behind it, and only what was written since is kept here, as addresses. Nothing is kept until somebody asks: training does not.
struct CUDAUnsettledMemory {
    /// How many ranges are kept. Where there would be more, what there is counts as unknown.
    private static let mostRanges = 64

    private var written: [Range<UInt>] = []
    /// Whether anything may have been written.
    private var isUnknown = true
    private(set) var isWanted = false

    /// Whether the next launch is not to overlap: it costs little, and everything before it is settled.
    var needsEnd: Bool { isWanted && isUnknown }

    /// What was queued so far is done before what is queued next begins.
    mutating func settle() {
        written.removeAll(keepingCapacity: true)
        isUnknown = false
    }

    /// Something is queued that writes there.
    mutating func write(_ ranges: [Range<UInt>]) {
        guard isWanted, !isUnknown else { return }
        written += ranges
        if written.count > Self.mostRanges { isUnknown = true }
    }

    /// Something is queued of which is not known where it writes.
    mutating func writeAnything() { isUnknown = true }

    /// Whether nothing that may still run as the next launch begins writes there.
    mutating func isSettled(_ ranges: [Range<UInt>]) -> Bool {
        if !isWanted { (isWanted, isUnknown) = (true, true) }
        return !isUnknown && !written.contains { range in ranges.contains { $0.overlaps(range) } }
    }
}
