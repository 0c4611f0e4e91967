package import BitsSystem

/// Memory of one device. Freed when the last reference goes.
package final class Buffer: Sendable {
    package let device: Device
    package let byteCount: Int
    /// In the device's address space; not the host's to follow.
    package let address: UInt
    /// What the memory belongs to, when it is not the device's own allocation.
    private let file: MappedFile?
    private let pages: PagedMemory?

    /// Memory that belongs to a file is only to be read.
    var isWritable: Bool { file == nil }

    init(device: Device, byteCount: Int) {
        self.device = device
        self.byteCount = byteCount
        self.file = nil
        self.pages = nil
        self.address = device.backend.allocate(byteCount: byteCount)
    }

    private init?(device: Device, file: MappedFile) {
        guard let address = device.backend.adopt(file) else { return nil }
        self.device = device
        self.byteCount = file.byteCount
        self.address = address
        self.file = file
        self.pages = nil
    }

    /// Paged memory of the host; nil where the device cannot use it.
    package init?(device: Device, pages: PagedMemory) {
        guard let address = device.backend.adopt(pages) else { return nil }
        self.device = device
        self.byteCount = pages.byteCount
        self.address = address
        self.file = nil
        self.pages = pages
    }

    /// The bytes of `file` in place, where the device can read the host's memory; nil where it cannot.
    package static func borrowing(_ file: MappedFile, on device: Device) -> Buffer? { Buffer(device: device, file: file) }

    deinit {
        if file == nil && pages == nil { device.backend.deallocate(address: address, byteCount: byteCount) }
    }
}
