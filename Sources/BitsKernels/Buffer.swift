package import BitsSystem
internal import Synchronization

/// Memory of one device. Freed when the last reference goes, in the order of the device's queue.
package final class Buffer: Sendable {
    /// Who has the memory when the buffer goes.
    private enum Owner {
        /// The buffer, which gives it back to the device.
        case buffer
        /// A file, which is only to be read.
        case file(MappedFile)
        case pages(any DevicePages)
        /// Another buffer, which it keeps.
        case shared(Buffer)
        /// Somebody else, who may free it meanwhile.
        case other
    }

    package let device: Device
    package let byteCount: Int
    /// Where the memory lies as long as it does not move.
    private let fixedAddress: UInt
    private let owner: Owner
    /// Bytes that the device's ledger counts, and as what.
    private let countedByteCount: Int
    private let category: Atomic<MemoryCategory>

    /// In the device's address space; not the host's to follow. 0: there was no memory. Paged memory may have another one later.
    package var address: UInt {
        if case .pages(let pages) = owner { return pages.address }
        return fixedAddress
    }

    /// Whether the memory may be changed by who has the only reference.
    var isWritable: Bool {
        switch owner {
        case .buffer, .pages: true
        case .file, .shared, .other: false
        }
    }

    private init(device: Device, address: UInt, byteCount: Int, owner: Owner, counting counted: Int = 0, as category: MemoryCategory = .current) {
        self.device = device
        fixedAddress = address
        self.byteCount = byteCount
        self.owner = owner
        countedByteCount = counted
        self.category = Atomic(category)
        if counted > 0 { device.backend.ledger.add(counted, to: category) }
    }

    convenience init(device: Device, byteCount: Int) {
        let address = device.backend.allocate(byteCount: byteCount)
        self.init(
            device: device, address: address, byteCount: byteCount, owner: .buffer,
            counting: address == 0 ? 0 : device.backend.blockByteCount(byteCount))
    }

    convenience init(device: Device, pages: any DevicePages) {
        self.init(device: device, address: pages.address, byteCount: pages.byteCount, owner: .pages(pages))
    }

    /// The bytes of `file` in place, where the device can read the host's memory; nil where it cannot.
    ///
    /// - Parameter used: how many of them are used.
    package static func borrowing(_ file: MappedFile, using used: Int, on device: Device) -> Buffer? {
        device.backend.adopt(file).map {
            Buffer(device: device, address: $0, byteCount: file.byteCount, owner: .file(file), counting: used, as: .weights)
        }
    }

    /// The same memory, kept as long as this: not to be written.
    func shared() -> Buffer { Buffer(device: device, address: address, byteCount: byteCount, owner: .shared(self)) }

    /// The same memory, without a share in it.
    func borrowed() -> Buffer { Buffer(device: device, address: address, byteCount: byteCount, owner: .other) }

    /// What the memory counts as used for, where it counts.
    package var use: MemoryCategory { category.load(ordering: .relaxed) }

    /// Counts the memory as used for `category` from now on.
    package func count(as category: MemoryCategory) {
        let before = self.category.exchange(category, ordering: .relaxed)
        if before != category, countedByteCount > 0 { device.backend.ledger.move(countedByteCount, from: before, to: category) }
    }

    deinit {
        if countedByteCount > 0 { device.backend.ledger.remove(countedByteCount, from: use) }
        if case .buffer = owner { device.backend.deallocate(address: fixedAddress, byteCount: byteCount) }
    }
}
