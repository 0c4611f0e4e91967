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

    /// Bytes of the device's memory that nobody has; nil where that is not the device's to say.
    package var freeByteCount: Int? { backend.freeByteCount }

    /// How often kernels ran by their plain references so far, by name: for want of a version of the device's own, or of one that takes their operands.
    package var referenceRuns: [String: Int] { backend.referenceRuns }

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

    /// Submits `kernel`, of whose operands is known that they lie on this device.
    package func runAgain(_ kernel: consuming some Kernel) { backend.submit(kernel) }

    /// Work that can be submitted again and again at the price of one kernel: what `body` submits, which is not done by that unless the result says so. What
    /// the host does in `body` is done once.
    package func record(_ body: () -> Void) -> RecordingResult { backend.record(body) }
}
