import BitsSystem
internal import Synchronization

/// Where the processor's buffers come from.
///
/// Small blocks come from the C library. A large fresh block costs more than most kernels that fill it, because the system clears it page by page when
/// it is first touched: so large blocks are mapped in huge pages, and the latest ones freed wait for a request of their size. Waiting blocks are bounded,
/// and the system may take their memory back whenever it needs it.
package final class BlockAllocator: Sendable {
    /// From here on blocks are mapped on their own.
    package static let largeByteCount = 2 << 20

    private struct Waiting {
        var blocks: [(address: UInt, byteCount: Int)] = []
        var byteCount = 0
    }

    private let waiting = Mutex(Waiting())
    /// The most that may wait.
    private let limit: Int

    package init(limit: Int? = nil) {
        self.limit = limit ?? min(128 << 20, BlockAllocator.physicalByteCount / 16)
        SystemMemory.keepSmallBlocks(below: BlockAllocator.largeByteCount)
    }

    /// The address of `byteCount` bytes, at least 64-byte aligned, contents undefined; 0 when there is no memory.
    package func allocate(byteCount: Int) -> UInt {
        guard byteCount >= BlockAllocator.largeByteCount else {
            return unsafe UInt(bitPattern: aligned_alloc(64, max(64, (byteCount + 63) & ~63)))
        }
        let size = BlockAllocator.mappedByteCount(byteCount)
        return takeWaiting(size) ?? BlockAllocator.map(size)
    }

    /// Takes back what ``allocate(byteCount:)`` gave for the same count.
    package func deallocate(address: UInt, byteCount: Int) {
        guard byteCount >= BlockAllocator.largeByteCount else {
            unsafe free(UnsafeMutableRawPointer(bitPattern: address))
            return
        }
        let size = BlockAllocator.mappedByteCount(byteCount)
        if size <= limit { unsafe madvise(UnsafeMutableRawPointer(bitPattern: address), size, MADV_FREE) }
        let surplus = waiting.withLock { waiting -> [(address: UInt, byteCount: Int)] in
            waiting.blocks.append((address, size))
            waiting.byteCount += size
            var surplus = 0
            while waiting.byteCount > limit {
                waiting.byteCount -= waiting.blocks[surplus].byteCount
                surplus += 1
            }
            defer { waiting.blocks.removeFirst(surplus) }
            return Array(waiting.blocks.prefix(surplus))
        }
        for block in surplus { unsafe munmap(UnsafeMutableRawPointer(bitPattern: block.address), block.byteCount) }
    }

    /// Bytes of blocks that wait.
    package var waitingByteCount: Int { waiting.withLock { $0.byteCount } }

    private func takeWaiting(_ size: Int) -> UInt? {
        waiting.withLock { waiting in
            guard let index = waiting.blocks.lastIndex(where: { $0.byteCount == size }) else { return nil }
            waiting.byteCount -= size
            return waiting.blocks.remove(at: index).address
        }
    }

    /// `byteCount` rounded up to an eighth of a power of two, so that requests of about the same size share blocks; pages never touched cost nothing.
    package static func mappedByteCount(_ byteCount: Int) -> Int {
        let step = 1 << max(12, Int.bitWidth - 4 - (byteCount - 1).leadingZeroBitCount)
        return (byteCount + step - 1) / step * step
    }

    /// Maps `size` bytes at a multiple of a huge page's size.
    private static func map(_ size: Int) -> UInt {
        let hugePage: UInt = 2 << 20
        let reserved = size + Int(hugePage)
        let mapped = unsafe mmap(nil, reserved, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0)
        guard let mapping = unsafe mapped, unsafe mapping != MAP_FAILED else { return 0 }
        let start = UInt(bitPattern: mapping)
        let address = (start + hugePage - 1) & ~(hugePage - 1)
        let (before, after) = (Int(address - start), reserved - size - Int(address - start))
        if before > 0 { unsafe munmap(mapping, before) }
        if after > 0 { unsafe munmap(UnsafeMutableRawPointer(bitPattern: address + UInt(size)), after) }
        unsafe madvise(UnsafeMutableRawPointer(bitPattern: address), size, MADV_HUGEPAGE)
        return address
    }

    private static let physicalByteCount = sysconf(Int32(_SC_PHYS_PAGES)) * sysconf(Int32(_SC_PAGESIZE))
}
