import BitsKernels
import Testing

@Suite("Memory of the processor")
struct BlockAllocatorTests {
    private let megabyte = 1 << 20

    @Test("Blocks of any size are aligned, large ones to huge pages", arguments: [0, 1, 100, 4096, 2_000_000, 2 << 20, (2 << 20) + 1, 9_000_001])
    func alignment(byteCount: Int) {
        let allocator = BlockAllocator()
        let address = allocator.allocate(byteCount: byteCount)
        #expect(address != 0)
        #expect(address % (byteCount >= BlockAllocator.largeByteCount ? 2 << 20 : 64) == 0)
        allocator.deallocate(address: address, byteCount: byteCount)
    }

    @Test("A large block that was freed serves the next request of about its size, and no smaller or larger one")
    func reuse() {
        let allocator = BlockAllocator(limit: 64 * megabyte)
        let first = allocator.allocate(byteCount: 10 * megabyte)
        allocator.deallocate(address: first, byteCount: 10 * megabyte)
        #expect(allocator.waitingByteCount == 10 * megabyte)
        let other = allocator.allocate(byteCount: 20 * megabyte)
        #expect(other != first)
        let again = allocator.allocate(byteCount: 10 * megabyte - 5)
        #expect(again == first)
        #expect(allocator.waitingByteCount == 0)
        allocator.deallocate(address: again, byteCount: 10 * megabyte - 5)
        allocator.deallocate(address: other, byteCount: 20 * megabyte)
    }

    @Test("No more than the limit waits; the oldest blocks go back first")
    func limit() {
        let allocator = BlockAllocator(limit: 10 * megabyte)
        let addresses = (0..<4).map { _ in allocator.allocate(byteCount: 4 * megabyte) }
        #expect(Set(addresses).count == 4)
        for address in addresses {
            allocator.deallocate(address: address, byteCount: 4 * megabyte)
            #expect(allocator.waitingByteCount <= 10 * megabyte)
        }
        #expect(allocator.allocate(byteCount: 4 * megabyte) == addresses[3])
        #expect(allocator.allocate(byteCount: 4 * megabyte) == addresses[2])
        #expect(allocator.waitingByteCount == 0)
    }

    @Test("A block above the limit goes back at once")
    func aboveLimit() {
        let allocator = BlockAllocator(limit: 10 * megabyte)
        allocator.deallocate(address: allocator.allocate(byteCount: 12 * megabyte), byteCount: 12 * megabyte)
        #expect(allocator.waitingByteCount == 0)
    }

    @Test("A block is never smaller than asked, and at most an eighth and a page larger")
    func sizes() {
        for exponent in 21..<40 {
            for byteCount in [1 << exponent, (1 << exponent) + 1, (3 << exponent) / 2 - 7] {
                let mapped = BlockAllocator.mappedByteCount(byteCount)
                #expect(mapped >= byteCount)
                #expect(mapped <= byteCount + byteCount / 8 + 4096)
                #expect(mapped % 4096 == 0)
                #expect(BlockAllocator.mappedByteCount(mapped) == mapped)
            }
        }
    }

    @Test("More memory than there is cannot be had")
    func exhaustion() {
        #expect(BlockAllocator().allocate(byteCount: 1 << 60) == 0)
    }

    @Test("No block is given out twice while many tasks take and free them")
    func concurrency() async {
        let allocator = BlockAllocator(limit: 16 * megabyte)
        let living = LivingBlocks()
        await withTaskGroup(of: Void.self) { group in
            for task in 0..<8 {
                group.addTask {
                    for round in 0..<200 {
                        let size = (2 + (task + round) % 5) << 20
                        let blocks = [allocator.allocate(byteCount: size), allocator.allocate(byteCount: size)]
                        for block in blocks {
                            #expect(await living.insert(block))
                        }
                        for block in blocks {
                            await living.remove(block)
                            allocator.deallocate(address: block, byteCount: size)
                        }
                    }
                }
            }
        }
        #expect(allocator.waitingByteCount <= 16 * megabyte)
    }
}

/// The blocks given out and not yet freed.
private actor LivingBlocks {
    private var addresses: Set<UInt> = []

    /// Whether `address` was not there yet.
    func insert(_ address: UInt) -> Bool { addresses.insert(address).inserted }
    func remove(_ address: UInt) { addresses.remove(address) }
}
