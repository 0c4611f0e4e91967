package import BitsSystem

/// A place that holds memory and runs kernels on it.
///
/// A device is a value that carries its kernels: nothing above the kernel room asks which one it is. Work is ordered: kernels and copies
/// take effect in the order they were submitted, though possibly later; an error of a kernel surfaces at the next point where the host waits.
public struct Device: Sendable {
    package let backend: any DeviceBackend

    package init(backend: any DeviceBackend) { self.backend = backend }

    /// The host's processor.
    public static let cpu = Device(backend: CPUBackend.shared)

    /// A short name, as the command line takes it: `cpu`.
    public var name: String { backend.name }

    /// Bytes held by living buffers.
    public var allocatedByteCount: Int { backend.allocatedByteCount }

    /// Waits for all submitted work.
    ///
    /// - Throws: the first error since the last wait.
    public func synchronize() throws(DeviceError) { try backend.synchronize() }
}

extension Device: Equatable {
    public static func == (a: Device, b: Device) -> Bool { a.backend === b.backend }
}

extension Device {
    /// A buffer of `byteCount` bytes, contents undefined.
    package func allocate(byteCount: Int) -> Buffer { Buffer(device: self, byteCount: byteCount) }

    /// A fresh slice of `count` elements, contents undefined.
    package func allocate(_ dtype: DType, count: Int) -> Slice {
        Slice(buffer: allocate(byteCount: count * dtype.byteCount), dtype: dtype, count: count)
    }

    /// Submits `kernel`, whose operands must all lie on this device.
    package func run(_ kernel: consuming some Kernel) {
        if let problem = kernel.misplacement(on: self) { preconditionFailure(problem) }
        backend.submit(kernel)
    }
}

/// What a new device implements: memory, copies, an ordered queue of kernels.
package protocol DeviceBackend: AnyObject, Sendable {
    var name: String { get }
    var allocatedByteCount: Int { get }
    /// The address of new memory in the device's own address space; 0 when there is none left (the error surfaces at the next wait).
    func allocate(byteCount: Int) -> UInt
    func deallocate(address: UInt, byteCount: Int)
    /// The address under which the device can read mapped bytes in place; nil when it has to copy them.
    func adopt(_ file: MappedFile) -> UInt?
    /// The address under which the device can read and write paged memory in place, at once when work is submitted; nil when it cannot.
    func adopt(_ pages: PagedMemory) -> UInt?
    /// Copies host bytes into `slice`, after all work submitted before.
    func upload(_ bytes: RawSpan, to slice: Slice)
    /// Waits for all work submitted before, then copies `slice` to the host.
    func download(_ slice: Slice, into bytes: inout MutableRawSpan) throws(DeviceError)
    func submit(_ kernel: some Kernel)
    func synchronize() throws(DeviceError)
}

extension DeviceBackend {
    package func adopt(_ pages: PagedMemory) -> UInt? { nil }
}
