import BitsKernels
import BitsSystem
import Testing

@Suite("Memory of the processor")
struct BlockAllocatorTests {
    private let megabyte = 1 << 20

    @Test(
        "Blocks of any size are aligned, large ones to huge pages",
        arguments: [0, 1, 100, 4096, 64 << 10, 70_001, 2_000_000, 2 << 20, (2 << 20) + 1, 8 << 20, 9_000_001])
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

    @Test("What the machine has not left is refused, though the system would promise it")
    func beyondWhatIsThere() throws {
        let (free, all) = (try #require(SystemMemory.availableByteCount), try #require(SystemMemory.totalByteCount))
        #expect(BlockAllocator().allocate(byteCount: all - 64 * megabyte) == 0)
        #expect(SystemMemory.has(free / 2) && !SystemMemory.has(.max / 2))
    }

    @Test("Memory is asked for after every 64 MB, in whatever pieces it came, and what went back is there again", arguments: [100_000, 7, 8, 40])
    func askedInPieces(size: Int) {
        let size = size < 100 ? size * megabyte : size
        // A system of 300 MB.
        let promised = PromisedMemory { [megabyte] in $0 + $1 <= 300 * megabyte }
        let allocator = BlockAllocator(limit: 0, most: 0, promised: promised)
        func fill() -> [UInt] {
            var addresses: [UInt] = []
            while addresses.count * size < 400 * megabyte {
                let address = allocator.allocate(byteCount: size)
                if address == 0 { break }
                addresses.append(address)
            }
            return addresses
        }
        for _ in 0..<2 {
            let addresses = fill()
            let count = addresses.count * size / megabyte
            // 64 MB that may come unasked are left, and at most a block and what regions waste of a page.
            #expect((180...300).contains(count), "\(count) MB")
            #expect(allocator.allocate(byteCount: size) == 0)
            for address in addresses { allocator.deallocate(address: address, byteCount: size) }
        }
    }

    @Test("No more than the limit waits; the oldest blocks go back first")
    func limit() {
        let allocator = BlockAllocator(limit: 20 * megabyte)
        let addresses = (0..<4).map { _ in allocator.allocate(byteCount: 8 * megabyte) }
        #expect(Set(addresses).count == 4)
        for address in addresses {
            allocator.deallocate(address: address, byteCount: 8 * megabyte)
            #expect(allocator.waitingByteCount <= 20 * megabyte)
        }
        #expect(allocator.allocate(byteCount: 8 * megabyte) == addresses[3])
        #expect(allocator.allocate(byteCount: 8 * megabyte) == addresses[2])
        #expect(allocator.waitingByteCount == 0)
    }

    @Test("What went back and is asked for again is kept from then on, up to a bound")
    func growth() {
        func round(_ allocator: BlockAllocator) -> [UInt] {
            let addresses = (0..<4).map { _ in allocator.allocate(byteCount: 8 * megabyte) }
            for address in addresses { allocator.deallocate(address: address, byteCount: 8 * megabyte) }
            return addresses
        }
        let allocator = BlockAllocator(limit: 20 * megabyte, most: 128 * megabyte)
        _ = round(allocator)
        #expect(allocator.waitingByteCount == 16 * megabyte)
        let second = round(allocator)
        #expect(allocator.waitingByteCount == 32 * megabyte)
        #expect(Set(round(allocator)) == Set(second))
        let bounded = BlockAllocator(limit: 20 * megabyte, most: 24 * megabyte)
        for _ in 0..<4 { _ = round(bounded) }
        #expect(bounded.waitingByteCount == 24 * megabyte)
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

    @Test("Blocks of a medium size lie side by side, so that huge pages hold many")
    func neighbours() {
        let allocator = BlockAllocator()
        let sizes = (0..<40).map { 70_001 + 640 * $0 }
        let addresses = sizes.map(allocator.allocate)
        var end = addresses[0]
        for (address, size) in zip(addresses, sizes) {
            #expect(address == end)
            end = address + UInt((size + 63) / 64 * 64)
        }
        #expect(addresses[0] % (2 << 20) == 0)
        for (address, size) in zip(addresses, sizes) { allocator.deallocate(address: address, byteCount: size) }
    }

    @Test("The lowest free place is taken first, and free neighbours are one place", arguments: [[1, 2, 3], [3, 2, 1], [1, 3, 2], [2, 1, 3]])
    func joining(order: [Int]) {
        let allocator = BlockAllocator()
        let addresses = (0..<5).map { _ in allocator.allocate(byteCount: megabyte / 2) }
        for index in order { allocator.deallocate(address: addresses[index], byteCount: megabyte / 2) }
        #expect(allocator.waitingByteCount == 3 * megabyte / 2)
        #expect(allocator.allocate(byteCount: 3 * megabyte / 2) == addresses[1])
        #expect(allocator.waitingByteCount == 0)
        allocator.deallocate(address: addresses[0], byteCount: megabyte / 2)
        #expect(allocator.allocate(byteCount: 100_000) == addresses[0])
        #expect(allocator.allocate(byteCount: megabyte) == addresses[4] + UInt(megabyte / 2))
    }

    @Test("What lies side by side goes back when all of it is free, but for one region")
    func regions() {
        let allocator = BlockAllocator()
        let addresses = (0..<100).map { _ in allocator.allocate(byteCount: megabyte) }
        #expect(Set(addresses).count == 100 && allocator.waitingByteCount == 0)
        for address in addresses { allocator.deallocate(address: address, byteCount: megabyte) }
        #expect(allocator.waitingByteCount <= BlockArena.regionByteCount)
    }

    @Test("Regions that went back and are asked for again are kept from then on, up to a bound", arguments: [true, false])
    func keptRegions(isBounded: Bool) {
        let allocator = isBounded ? BlockAllocator(most: 0) : BlockAllocator()
        for round in 0..<3 {
            let addresses = (0..<200).map { _ in allocator.allocate(byteCount: megabyte) }
            for address in addresses { allocator.deallocate(address: address, byteCount: megabyte) }
            if round == 0 || isBounded {
                #expect(allocator.waitingByteCount <= BlockArena.regionByteCount)
            } else {
                #expect(allocator.waitingByteCount >= 200 * megabyte)
            }
        }
    }

    @Test("Pages that went back beside a block that stays are kept once they are asked for again")
    func keptPages() {
        var arena = BlockArena(limit: WaitingLimit(0, most: 64 * megabyte))
        let stays = arena.allocate(byteCount: megabyte)
        for round in 0..<3 {
            let address = arena.allocate(byteCount: 6 * megabyte)
            arena.deallocate(address: address, byteCount: 6 * megabyte)
            // Of the first of its four pages the other block has a half.
            #expect(arena.limit.byteCount == (round == 0 ? 0 : 6 * megabyte))
        }
        arena.deallocate(address: stays, byteCount: megabyte)
    }

    @Test("Memory that is given out keeps what is written to it while pages around it go back", arguments: [0, 128])
    func contents(limit: Int) throws {
        let allocator = BlockAllocator(limit: limit * megabyte)
        let size = 1_200_000
        let addresses = (0..<64).map { _ in allocator.allocate(byteCount: size) }
        for (index, address) in addresses.enumerated() { fill(address, size, UInt8(index)) }
        for index in stride(from: 1, to: 64, by: 4) {
            for address in addresses[index..<index + 3] { allocator.deallocate(address: address, byteCount: size) }
        }
        for index in stride(from: 0, to: 64, by: 4) { #expect(isFilled(addresses[index], size, UInt8(index))) }
        for index in stride(from: 0, to: 64, by: 4) { allocator.deallocate(address: addresses[index], byteCount: size) }
    }

    @Test("Of changing blocks of all medium sizes, what lies free between them stays below half of what they take")
    func fragmentation() {
        let allocator = BlockAllocator(most: 0)
        var living: [(address: UInt, byteCount: Int)] = []
        var state: UInt64 = 1
        func draw(_ bound: Int) -> Int {
            state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
            return Int(state >> 33) % bound
        }
        for _ in 0..<20_000 {
            if living.count == 200 {
                let block = living.remove(at: draw(200))
                allocator.deallocate(address: block.address, byteCount: block.byteCount)
            }
            let size = (64 << 10) + draw(BlockAllocator.largeByteCount - (64 << 10))
            living.append((allocator.allocate(byteCount: size), size))
        }
        #expect(allocator.waitingByteCount < living.reduce(0) { $0 + $1.byteCount } / 2 + BlockArena.regionByteCount)
        for block in living { allocator.deallocate(address: block.address, byteCount: block.byteCount) }
        #expect(allocator.waitingByteCount <= BlockArena.regionByteCount)
    }

    @Test("No block is given out twice while many tasks take and free them", arguments: [64 << 10, 8 << 20])
    func concurrency(least: Int) async {
        let allocator = BlockAllocator(limit: 16 * megabyte, most: 16 * megabyte)
        let living = LivingBlocks()
        await withTaskGroup(of: Void.self) { group in
            for task in 0..<8 {
                group.addTask {
                    for round in 0..<200 {
                        let size = least + (task + round) % 5 * (least / 2)
                        let blocks = [allocator.allocate(byteCount: size), allocator.allocate(byteCount: size)]
                        for block in blocks {
                            #expect(await living.insert(block, size))
                        }
                        for block in blocks {
                            await living.remove(block)
                            allocator.deallocate(address: block, byteCount: size)
                        }
                    }
                }
            }
        }
        #expect(allocator.waitingByteCount <= (least < BlockAllocator.largeByteCount ? BlockArena.regionByteCount : 16 * megabyte))
    }
}

/// The blocks given out and not yet freed.
private actor LivingBlocks {
    private var sizes: [UInt: Int] = [:]

    /// Whether no living block has any of these bytes.
    func insert(_ address: UInt, _ size: Int) -> Bool {
        let isFree = sizes.allSatisfy { $0.key + UInt($0.value) <= address || address + UInt(size) <= $0.key }
        sizes[address] = size
        return isFree
    }
    func remove(_ address: UInt) { sizes[address] = nil }
}

private func fill(_ address: UInt, _ count: Int, _ byte: UInt8) {
    unsafe UnsafeMutableRawPointer(bitPattern: address)!.initializeMemory(as: UInt8.self, repeating: byte, count: count)
}

private func isFilled(_ address: UInt, _ count: Int, _ byte: UInt8) -> Bool {
    unsafe UnsafeRawBufferPointer(start: UnsafeRawPointer(bitPattern: address), count: count).allSatisfy { $0 == byte }
}
