package import BitsSystem

/// What a new device implements: memory, copies, an ordered queue of kernels.
///
/// Nothing that is submitted keeps its operands: a backend takes their addresses while it is called. That is enough, as memory is freed in the order of
/// the queue too: whoever gets the address next is submitted later.
package protocol DeviceBackend: AnyObject, Sendable {
    var name: String { get }
    var allocatedByteCount: Int { get }
    /// What the memory is used for; buffers keep it.
    var ledger: MemoryLedger { get }
    /// Bytes of memory that nobody has; nil where that is not the device's to say.
    var freeByteCount: Int? { get }
    var referenceRuns: [String: Int] { get }
    /// Whether work is done when ``submit(_:)`` returns, so that nothing is ever waited for.
    var worksAtOnce: Bool { get }

    /// The address of new memory in the device's own address space; 0 when there is none left (the error surfaces at the next wait).
    func allocate(byteCount: Int) -> UInt
    /// What a block of `byteCount` bytes takes of the memory.
    func blockByteCount(_ byteCount: Int) -> Int
    /// Frees memory behind all work submitted before.
    func deallocate(address: UInt, byteCount: Int)
    /// The address under which the device can read mapped bytes in place, at once when work is submitted; nil when it has to copy them.
    func adopt(_ file: MappedFile) -> UInt?
    /// Where the device keeps memory that is not to be in it all the time; nil where it has no such thing.
    ///
    /// - Parameter folder: where files go, if there are any.
    func openPageStore(folder: String) throws(FileError) -> (any DevicePageStore)?

    /// Starts to copy `slice` to where it takes none of the device's memory; nil where the device knows no such place.
    func putAway(_ slice: Slice) -> (any AwayCopy)?

    /// Copies host bytes into `slice`, after all work submitted before; they are the caller's again at once.
    func upload(_ bytes: RawSpan, to slice: Slice)
    /// Waits for all work submitted before, then copies `slice` to the host.
    func download(_ slice: Slice, into bytes: inout MutableRawSpan) throws(DeviceError)
    /// Copies `slice` to the host after all work submitted before, without waiting for it.
    func downloadLater(_ slice: Slice) -> LateBytes
    /// Waits for all work submitted before, then gives `body` the bytes of `slice`: in place where the host can read them, else a copy.
    func withBytes<R>(of slice: Slice, _ body: (RawSpan) -> R) throws(DeviceError) -> R
    /// Copies `source`, which lies on another device, into `destination`, after all work submitted to either before.
    func copy(_ source: Slice, to destination: Slice) throws(DeviceError)

    func submit(_ kernel: some Kernel)
    /// Notes what `work` submits, without doing it, so that it can be submitted again as a whole.
    func record(_ work: () -> Void) -> RecordingResult
    func synchronize() throws(DeviceError)
}

/// Bytes on their way to the host: gives them when called, after a wait if they are not there yet, or throws the first error of the work before them.
package typealias LateBytes = @Sendable () throws(DeviceError) -> [UInt8]

/// A list of kernels with the operands they were recorded with.
package protocol RecordedWork: AnyObject, Sendable {
    /// Submits all of it.
    func submit()
}

/// What came of recording work.
package enum RecordingResult {
    /// The device knows no such thing; the work was not asked for.
    case unsupported
    /// The work was asked for and is lost; the next wait says why.
    case failed
    /// The work was asked for and has been submitted, once: the host computes some of it, which cannot be recorded.
    case done
    case recorded(any RecordedWork)
}

extension DeviceBackend {
    package var freeByteCount: Int? { nil }

    package func blockByteCount(_ byteCount: Int) -> Int { byteCount }

    package func record(_ work: () -> Void) -> RecordingResult { .unsupported }

    package func openPageStore(folder: String) throws(FileError) -> (any DevicePageStore)? { nil }

    package func putAway(_ slice: Slice) -> (any AwayCopy)? { nil }

    package func withBytes<R>(of slice: Slice, _ body: (RawSpan) -> R) throws(DeviceError) -> R {
        try slice.downloadBytes().withBytes(body)
    }

    package func copy(_ source: Slice, to destination: Slice) throws(DeviceError) {
        try source.device.backend.withBytes(of: source) { upload($0, to: destination) }
    }

    /// Runs `kernel` by its reference on the host, on copies of its operands: for a device without a version of its own.
    ///
    /// - Returns: what kept an operand from being read; the device reports it as if the kernel had failed.
    package func runReference(_ kernel: some Kernel) -> DeviceError? {
        let memory = DeviceMemory()
        kernel.reference(memory)
        return memory.failure
    }
}
