/// Blocks side by side in regions of huge pages, for those too small to fill such pages alone.
///
/// A block gets the lowest free place that it fits in, and free neighbours become one place: so the upper regions empty, and of empty ones a single one
/// is kept, or as many as were asked for again. What is free in the others belongs to the system whenever it needs it.
package struct BlockArena {
    package static let regionByteCount = 64 << 20

    /// In the order of their addresses.
    private var regions: [Region] = []
    /// How much may wait before memory goes back at once.
    package private(set) var limit: WaitingLimit
    private let promised: PromisedMemory

    /// - Parameter promised: counts the pages that blocks lie in.
    package init(limit: WaitingLimit, promised: PromisedMemory = PromisedMemory()) { (self.limit, self.promised) = (limit, promised) }

    /// Bytes that were given out before and are free.
    var waitingByteCount: Int { regions.reduce(0) { $0 + $1.waitingByteCount } }

    /// The address of `byteCount` bytes, 64-byte aligned, contents undefined; 0 when there is no memory, as far as the system is asked.
    package mutating func allocate(byteCount: Int) -> UInt {
        let size = (byteCount + 63) & ~63
        var isRefused = false
        for index in regions.indices {
            guard let block = regions[index].place(of: size) else { continue }
            let address = give(block, of: index)
            if address != 0 { return address }
            // The pages of another place may have memory.
            isRefused = true
        }
        if isRefused { return 0 }
        let start = HugePages.map(BlockArena.regionByteCount)
        guard start != 0 else { return 0 }
        let index = regions.firstIndex { $0.start > start } ?? regions.endIndex
        regions.insert(Region(start: start), at: index)
        return regions[index].place(of: size).map { give($0, of: index) } ?? 0
    }

    private mutating func give(_ block: Range<Int>, of index: Int) -> UInt {
        let missing = regions[index].missingByteCount(of: block)
        if missing > 0 {
            guard promised.take(missing) else { return 0 }
            limit.noteRequest(missing)
        }
        regions[index].take(block)
        return regions[index].start + UInt(block.lowerBound)
    }

    private mutating func sendBackPages(_ pages: Range<Int>, of index: Int) {
        let byteCount = regions[index].sendBackPages(pages)
        limit.noteReturn(byteCount)
        promised.giveBack(byteCount)
    }

    /// How many empty regions are kept.
    private var keptRegionCount: Int { 1 + (limit.growth + BlockArena.regionByteCount - 1) / BlockArena.regionByteCount }

    /// Takes back what ``allocate(byteCount:)`` gave for the same count.
    package mutating func deallocate(address: UInt, byteCount: Int) {
        guard let index = regions.firstIndex(where: { $0.contains(address) }) else { preconditionFailure("a block that is not of this arena") }
        let start = regions[index].start
        let block = Int(address - start)..<Int(address - start) + ((byteCount + 63) & ~63)
        let place = regions[index].put(block)
        if regions[index].isEmpty && regions.count(where: \.isEmpty) > keptRegionCount {
            sendBackPages(0..<Region.pageCount, of: index)
            HugePages.unmap(start, BlockArena.regionByteCount)
            regions.remove(at: index)
            return
        }
        // The pages that nothing lies in any more, of those that the block was in.
        let page = HugePages.byteCount
        let first = max((place.lowerBound + page - 1) / page, block.lowerBound / page)
        let end = min(place.upperBound / page, (block.upperBound + page - 1) / page)
        guard first < end else { return }
        let goesBack = waitingByteCount > limit.byteCount
        if goesBack { sendBackPages(first..<end, of: index) }
        HugePages.release(start + UInt(first * page), (end - first) * page, atOnce: goesBack)
    }
}

/// Memory that blocks lie in.
private struct Region {
    static let pageCount = BlockArena.regionByteCount / HugePages.byteCount

    let start: UInt
    /// The free places as offsets, in ascending order; no two of them touch.
    private var places: [Range<Int>] = [0..<BlockArena.regionByteCount]
    private var freeByteCount = BlockArena.regionByteCount
    /// Nothing from here on was ever given out.
    private var fresh = 0
    /// A bit for each page that has memory, or is to get it when it is touched; what went back has none until it is given out again.
    private var present: UInt32 = 0

    init(start: UInt) { self.start = start }

    var isEmpty: Bool { freeByteCount == BlockArena.regionByteCount }
    var waitingByteCount: Int { freeByteCount - (BlockArena.regionByteCount - fresh) }

    func contains(_ address: UInt) -> Bool { address >= start && address - start < UInt(BlockArena.regionByteCount) }

    /// The lowest free `size` bytes in a row; nil where there are none.
    func place(of size: Int) -> Range<Int>? {
        guard size <= freeByteCount, let place = places.first(where: { $0.count >= size }) else { return nil }
        return place.lowerBound..<place.lowerBound + size
    }

    /// How many bytes of memory the pages of a block lack.
    func missingByteCount(of block: Range<Int>) -> Int { (Region.pages(of: block) & ~present).nonzeroBitCount * HugePages.byteCount }

    /// Gives out a block at the beginning of a free place; its pages get memory.
    mutating func take(_ block: Range<Int>) {
        guard let index = places.firstIndex(where: { $0.lowerBound == block.lowerBound }) else { preconditionFailure("a block that is not free") }
        let rest = block.upperBound..<places[index].upperBound
        if rest.isEmpty { places.remove(at: index) } else { places[index] = rest }
        freeByteCount -= block.count
        fresh = max(fresh, block.upperBound)
        present |= Region.pages(of: block)
    }

    /// Notes that pages go back; how many bytes of memory they had.
    mutating func sendBackPages(_ range: Range<Int>) -> Int {
        let pages = Region.mask(range)
        defer { present &= ~pages }
        return (pages & present).nonzeroBitCount * HugePages.byteCount
    }

    private static func pages(of block: Range<Int>) -> UInt32 {
        mask(block.lowerBound / HugePages.byteCount..<(block.upperBound + HugePages.byteCount - 1) / HugePages.byteCount)
    }

    private static func mask(_ pages: Range<Int>) -> UInt32 { UInt32.max << pages.lowerBound & ~(UInt32.max << pages.upperBound) }

    /// Takes a block back; the free place that it is part of then.
    mutating func put(_ block: Range<Int>) -> Range<Int> {
        freeByteCount += block.count
        var place = block
        var index = places.firstIndex { $0.lowerBound >= block.upperBound } ?? places.endIndex
        if index < places.endIndex, places[index].lowerBound == block.upperBound {
            place = place.lowerBound..<places.remove(at: index).upperBound
        }
        if index > places.startIndex, places[index - 1].upperBound == block.lowerBound {
            index -= 1
            place = places.remove(at: index).lowerBound..<place.upperBound
        }
        places.insert(place, at: index)
        return place
    }
}
