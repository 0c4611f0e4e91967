import BitsSystem
internal import Synchronization

/// What memory the system has promised, and whether it has more: it promises more than there is, and ends a process that uses that.
///
/// To ask takes as long as to clear some hundred kilobytes; so the system is asked after every 64 MB that came from it, in blocks from 64 KB on.
package final class PromisedMemory: Sendable {
    private static let askedByteCount = 64 << 20

    private let has: @Sendable (_ byteCount: Int, _ promised: Int) -> Bool
    /// What came from the system, and how much of it since it was last asked.
    private let taken = Mutex((byteCount: 0, unaskedByteCount: 0))

    /// - Parameter has: whether the system could give so many bytes more beside those that it has promised; by default its own word.
    package init(
        has: @escaping @Sendable (_ byteCount: Int, _ promised: Int) -> Bool = { SystemMemory.has($0 + SystemMemory.untouchedByteCount(of: $1)) }
    ) {
        self.has = has
    }

    /// Counts `byteCount` bytes as promised; false where the system was asked and has not so many more: then they are not counted.
    func take(_ byteCount: Int) -> Bool {
        let promised: Int? = taken.withLock { taken in
            guard taken.unaskedByteCount + byteCount < PromisedMemory.askedByteCount else { return taken.byteCount }
            taken = (taken.byteCount + byteCount, taken.unaskedByteCount + byteCount)
            return nil
        }
        guard let promised else { return true }
        // With what may come unasked.
        guard has(byteCount + PromisedMemory.askedByteCount, promised) else { return false }
        taken.withLock { taken in taken = (taken.byteCount + byteCount, 0) }
        return true
    }

    func giveBack(_ byteCount: Int) { taken.withLock { $0.byteCount -= byteCount } }
}
