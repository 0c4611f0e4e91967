import BitsSystem
internal import Synchronization

/// Where the processor's buffers come from.
///
/// Small blocks come from the C library. Others lie in huge pages: a fresh block costs more than most kernels that fill it where the system clears it in
/// pages of 4 KB as they are first touched, and weights are read again for each token. They lie side by side or, from ``largeByteCount`` on, are mapped on their
/// own; of these the latest ones freed wait for a request of their size. Waiting blocks are bounded, more loosely where what went back is asked for again as
/// in the steps of a training run, and the system may take their memory back whenever it needs it.
package final class BlockAllocator: Sendable {
    /// From here on blocks lie in huge pages.
    package static let mediumByteCount = 64 << 10
    /// From here on blocks are mapped on their own. What is left over behind the last huge page of such a block lies in small ones: of a smaller block that
    /// would be a good part.
    package static let largeByteCount = 4 * HugePages.byteCount

    private struct Waiting {
        var blocks: [(address: UInt, byteCount: Int)] = []
        var byteCount = 0
        var limit: WaitingLimit
    }

    private let waiting: Mutex<Waiting>
    private let arena: Mutex<BlockArena>
    private let promised: PromisedMemory

    /// - Parameters:
    ///   - limit: how many bytes may wait at first, of blocks side by side as of others; nil for 128 MB.
    ///   - most: how many may ever wait; nil for an eighth of the machine's memory.
    ///   - promised: counts what is taken from the system.
    package init(limit: Int? = nil, most: Int? = nil, promised: PromisedMemory = PromisedMemory()) {
        let limit = WaitingLimit(
            limit ?? min(128 << 20, BlockAllocator.physicalByteCount / 16), most: most ?? BlockAllocator.physicalByteCount / 8)
        waiting = Mutex(Waiting(limit: limit))
        arena = Mutex(BlockArena(limit: limit, promised: promised))
        self.promised = promised
        SystemMemory.keepSmallBlocks(below: HugePages.byteCount)
    }

    /// The address of `byteCount` bytes, at least 64-byte aligned, contents undefined; 0 when there is no memory, as far as the system is asked.
    package func allocate(byteCount: Int) -> UInt {
        switch byteCount {
        case ..<BlockAllocator.mediumByteCount: return unsafe UInt(bitPattern: aligned_alloc(64, max(64, (byteCount + 63) & ~63)))
        case ..<BlockAllocator.largeByteCount: return arena.withLock { $0.allocate(byteCount: byteCount) }
        default:
            let size = BlockAllocator.mappedByteCount(byteCount)
            if let waiting = takeWaiting(size) { return waiting }
            return map(size)
        }
    }

    private func map(_ size: Int) -> UInt {
        guard promised.take(size) else { return 0 }
        let address = HugePages.map(size)
        if address == 0 { promised.giveBack(size) }
        return address
    }

    /// Takes back what ``allocate(byteCount:)`` gave for the same count.
    package func deallocate(address: UInt, byteCount: Int) {
        switch byteCount {
        case ..<BlockAllocator.mediumByteCount: unsafe free(UnsafeMutableRawPointer(bitPattern: address))
        case ..<BlockAllocator.largeByteCount: arena.withLock { $0.deallocate(address: address, byteCount: byteCount) }
        default: keepWaiting(address, BlockAllocator.mappedByteCount(byteCount))
        }
    }

    /// Bytes of blocks that wait.
    package var waitingByteCount: Int { waiting.withLock { $0.byteCount } + arena.withLock { $0.waitingByteCount } }

    private func takeWaiting(_ size: Int) -> UInt? {
        waiting.withLock { waiting in
            guard let index = waiting.blocks.lastIndex(where: { $0.byteCount == size }) else {
                waiting.limit.noteRequest(size)
                return nil
            }
            waiting.byteCount -= size
            return waiting.blocks.remove(at: index).address
        }
    }

    private func keepWaiting(_ address: UInt, _ size: Int) {
        // Before it waits: whoever takes it then writes to it.
        if waiting.withLock({ size <= $0.limit.byteCount }) { HugePages.release(address, size) }
        let surplus = waiting.withLock { waiting -> [(address: UInt, byteCount: Int)] in
            waiting.blocks.append((address, size))
            waiting.byteCount += size
            var surplus = 0
            while waiting.byteCount > waiting.limit.byteCount {
                waiting.byteCount -= waiting.blocks[surplus].byteCount
                waiting.limit.noteReturn(waiting.blocks[surplus].byteCount)
                surplus += 1
            }
            defer { waiting.blocks.removeFirst(surplus) }
            return Array(waiting.blocks.prefix(surplus))
        }
        for block in surplus {
            HugePages.unmap(block.address, block.byteCount)
            promised.giveBack(block.byteCount)
        }
    }

    /// `byteCount` rounded up to an eighth of a power of two, so that requests of about the same size share blocks; pages never touched cost nothing.
    package static func mappedByteCount(_ byteCount: Int) -> Int {
        let step = 1 << max(12, Int.bitWidth - 4 - (byteCount - 1).leadingZeroBitCount)
        return (byteCount + step - 1) / step * step
    }

    private static let physicalByteCount = sysconf(Int32(_SC_PHYS_PAGES)) * sysconf(Int32(_SC_PAGESIZE))
}
