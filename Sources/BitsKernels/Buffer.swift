package import BitsSystem

/// Memory of one device. Freed when the last reference goes, in the order of the device's queue.
package final class Buffer: Sendable {
    /// Who has the memory when the buffer goes.
    private enum Owner {
        /// The buffer, which gives it back to the device.
        case buffer
        /// A file, which is only to be read.
        case file(MappedFile)
        case pages(any DevicePages)
        /// Somebody else, who may free it meanwhile.
        case other
    }

    package let device: Device
    package let byteCount: Int
    /// Where the memory lies as long as it does not move.
    private let fixedAddress: UInt
    private let owner: Owner

    /// In the device's address space; not the host's to follow. 0: there was no memory. Paged memory may have another one later.
    package var address: UInt {
        if case .pages(let pages) = owner { return pages.address }
        return fixedAddress
    }

    /// Whether the memory may be changed by who has the only reference.
    var isWritable: Bool {
        switch owner {
        case .buffer, .pages: true
        case .file, .other: false
        }
    }

    private init(device: Device, address: UInt, byteCount: Int, owner: Owner) {
        self.device = device
        fixedAddress = address
        self.byteCount = byteCount
        self.owner = owner
    }

    convenience init(device: Device, byteCount: Int) {
        self.init(device: device, address: device.backend.allocate(byteCount: byteCount), byteCount: byteCount, owner: .buffer)
    }

    convenience init(device: Device, pages: any DevicePages) {
        self.init(device: device, address: pages.address, byteCount: pages.byteCount, owner: .pages(pages))
    }

    /// The bytes of `file` in place, where the device can read the host's memory; nil where it cannot.
    package static func borrowing(_ file: MappedFile, on device: Device) -> Buffer? {
        device.backend.adopt(file).map { Buffer(device: device, address: $0, byteCount: file.byteCount, owner: .file(file)) }
    }

    /// The same memory, without a share in it.
    func borrowed() -> Buffer { Buffer(device: device, address: address, byteCount: byteCount, owner: .other) }

    deinit {
        if case .buffer = owner { device.backend.deallocate(address: fixedAddress, byteCount: byteCount) }
    }
}
