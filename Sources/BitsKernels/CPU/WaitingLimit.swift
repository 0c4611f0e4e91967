/// How much memory that was freed may wait for its next use: more, as it turns out that what went back to the system is asked for again.
///
/// A step of a training run frees what it took, and the next step takes as much; what went back between them has to be cleared by the system, page by page.
package struct WaitingLimit {
    package private(set) var byteCount: Int
    /// By how much it has grown.
    package private(set) var growth = 0
    private let most: Int
    /// Bytes that went back and were not asked for again since.
    private var returned = 0

    package init(_ byteCount: Int, most: Int) { (self.byteCount, self.most) = (byteCount, max(byteCount, most)) }

    /// Notes that `byteCount` bytes go back to the system.
    mutating func noteReturn(_ byteCount: Int) { returned += byteCount }

    /// Notes that `byteCount` bytes are taken from the system. Those that had gone back would not have to be cleared again, had they waited.
    mutating func noteRequest(_ byteCount: Int) {
        let again = min(byteCount, returned)
        returned -= again
        let more = min(again, most - self.byteCount)
        self.byteCount += more
        growth += more
    }
}
