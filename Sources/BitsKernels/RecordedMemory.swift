/// Blocks of memory that belong to recordings: what recorded kernels use between them nobody else gets before the recording goes.
struct RecordedMemory {
    /// Free blocks of the recording that is under way, and all that it was given.
    private var underWay: (free: [(size: Int, address: UInt)], all: [UInt])?
    /// The sizes of all blocks that belong to recordings, with the recording's number, and which of them nobody holds.
    private var blocks: [UInt: (size: Int, recording: Int)] = [:]
    private var unheld: Set<UInt> = []
    /// Recordings so far.
    private var recordings = 0

    var isRecording: Bool { underWay != nil }

    /// From now on blocks are given away for a recording.
    mutating func begin() {
        recordings += 1
        underWay = ([], [])
    }

    /// Ends it; the blocks that it was given stay its own.
    mutating func end() -> [UInt] {
        guard let recording = underWay else { return [] }
        unheld.formUnion(recording.free.map(\.address))
        underWay = nil
        return recording.all
    }

    /// A block of `size` bytes that the recording under way has used and freed.
    mutating func takeFreed(_ size: Int) -> UInt? {
        guard let place = underWay?.free.firstIndex(where: { $0.size == size }) else { return nil }
        return underWay?.free.remove(at: place).address
    }

    /// Makes a block that was given away for the recording under way its own.
    mutating func add(_ address: UInt, size: Int) {
        blocks[address] = (size, recordings)
        underWay?.all.append(address)
    }

    /// Takes a block back that whoever held it has freed; false for one that belongs to no recording.
    mutating func takeBack(_ address: UInt) -> Bool {
        guard let block = blocks[address] else { return false }
        if underWay != nil && block.recording == recordings {
            underWay?.free.append((block.size, address))
        } else {
            unheld.insert(address)
        }
        return true
    }

    /// Ends the ownership of a recording that is gone.
    ///
    /// - Returns: the blocks that nobody holds; those that somebody holds are like any other when they are freed.
    mutating func release(_ addresses: [UInt]) -> [(address: UInt, size: Int)] {
        addresses.compactMap { address in
            guard let size = blocks.removeValue(forKey: address)?.size, unheld.remove(address) != nil else { return nil }
            return (address, size)
        }
    }
}
