import BitsSystem
internal import CBitsCUDA
internal import Synchronization

/// An NVIDIA GPU: kernels are queued on one stream, and the host goes on.
final class CUDABackend: DeviceBackend {
    let name: String
    let worksAtOnce = false
    let context: CUDAContext
    let memory: CUDAAllocator
    let stream: CUDAStream
    private let staging: CUDAStaging
    let pinned: CUDAPinnedMemory
    private let modules = Mutex<[String: UInt]>([:])
    private let failure = Mutex<DeviceFailure?>(nil)
    /// Why the device can no longer be used; nothing brings it back.
    private let loss = Mutex<DeviceError?>(nil)
    /// Whether there is a ``failure`` or a ``loss``; kernels are left out then, as their operands may not exist.
    let hasFailed = Atomic<Bool>(false)
    private let references = Mutex<[String: Int]>([:])
    let recording = Mutex<RecordingState?>(nil)
    let isRecording = Atomic<Bool>(false)
    /// Whether each launch is waited for, so that an error is told with the kernel that made it: `BNB_CUDA_WAIT=1`.
    private let waitsForEach = FileSystem.environment("BNB_CUDA_WAIT") == "1"

    private static let backends = Mutex<[Int: CUDABackend]>([:])

    /// The backend of GPU `ordinal`; one for all who ask.
    ///
    /// - Throws: ``DeviceError/unavailable(_:reason:)``.
    static func shared(ordinal: Int) throws(DeviceError) -> CUDABackend {
        try backends.withLock { backends throws(DeviceError) in
            if let backend = backends[ordinal] { return backend }
            let backend = try CUDABackend(ordinal: ordinal)
            backends[ordinal] = backend
            return backend
        }
    }

    /// - Parameter memoryLimit: bytes that it may hold, for tests of what happens when there are no more.
    init(ordinal: Int, memoryLimit: Int = .max) throws(DeviceError) {
        name = "cuda:\(ordinal)"
        context = try CUDAContext(ordinal: ordinal)
        stream = try CUDAStream(context)
        memory = CUDAAllocator(context, limit: memoryLimit)
        staging = CUDAStaging(context)
        pinned = CUDAPinnedMemory(context)
    }

    var device: Device { Device(backend: self) }

    // MARK: Memory

    var allocatedByteCount: Int { memory.usedByteCount }

    func allocate(byteCount: Int) -> UInt {
        // What is allocated after a failure would never be filled.
        let address = hasFailed.load(ordering: .acquiring) ? 0 : memory.allocate(byteCount: byteCount)
        if address == 0 { record(.outOfMemory(byteCount: byteCount, device: name), leavesMemoryMissing: true) }
        return address
    }

    func deallocate(address: UInt, byteCount: Int) {
        guard address != 0 else { return changeFailure { $0?.released() } }
        memory.deallocate(address: address, byteCount: byteCount)
    }

    func adopt(_ file: MappedFile) -> UInt? { nil }

    func openPageStore(folder: String) throws(FileError) -> (any DevicePageStore)? {
        do { return try CUDAPageStore(self) } catch { throw FileError(path: name, message: "has no stream for paging: \(error)") }
    }

    // MARK: Copies

    func upload(_ bytes: RawSpan, to slice: Slice) {
        precondition(bytes.byteCount == slice.byteCount, "\(bytes.byteCount) bytes for a slice of \(slice.byteCount)")
        guard slice.hasMemory, bytes.byteCount > 0 else { return }
        waitForRecording()
        if let table = recordedTable(bytes) {
            let status = unsafe bits_cuda_copy_in(context.pointer, stream.pointer, UInt64(slice.deviceAddress), table.pointer, bytes.byteCount)
            return note(status, in: "copy to the device")
        }
        note(unsafe staging.copy(bytes, to: slice.deviceAddress, stream: stream.pointer), in: "copy to the device")
    }

    func download(_ slice: Slice, into bytes: inout MutableRawSpan) throws(DeviceError) {
        precondition(bytes.byteCount == slice.byteCount, "\(bytes.byteCount) bytes for a slice of \(slice.byteCount)")
        try throwFailure()
        if bytes.byteCount > 0 {
            let status = unsafe bytes.withUnsafeMutableBytes {
                unsafe bits_cuda_copy_out(context.pointer, stream.pointer, $0.baseAddress, UInt64(slice.deviceAddress), $0.count)
            }
            note(status, in: "copy from the device")
        }
        try synchronize()
    }

    func downloadLater(_ slice: Slice) -> LateBytes {
        if hasFailed.load(ordering: .acquiring) {
            return { () throws(DeviceError) in
                try self.throwFailure()
                return []
            }
        }
        let count = slice.byteCount
        let block = pinned.take(byteCount: count)
        let status = unsafe bits_cuda_copy_out(context.pointer, stream.pointer, block.pointer, UInt64(slice.deviceAddress), count)
        note(status, in: "copy from the device")
        note(unsafe bits_cuda_event_record(context.pointer, block.event, stream.pointer), in: "copy from the device")
        return { () throws(DeviceError) in
            self.note(unsafe bits_cuda_event_wait(self.context.pointer, block.event), in: "work before a late read")
            try self.throwFailure()
            return unsafe [UInt8](UnsafeRawBufferPointer(start: block.pointer, count: count))
        }
    }

    /// Copies within the device.
    func copyWithin(_ source: Slice, to destination: Slice) {
        guard source.byteCount > 0, source.hasMemory, destination.hasMemory else { return }
        let (from, to) = (UInt64(source.deviceAddress), UInt64(destination.deviceAddress))
        note(unsafe bits_cuda_copy(context.pointer, stream.pointer, to, from, source.byteCount), in: "copy")
    }

    func clear(_ slice: Slice) {
        guard slice.byteCount > 0, slice.hasMemory else { return }
        note(unsafe bits_cuda_clear(context.pointer, stream.pointer, UInt64(slice.deviceAddress), slice.byteCount), in: "clear")
    }

    // MARK: Kernels

    var referenceRuns: [String: Int] { references.withLock { $0 } }

    func submit(_ kernel: some Kernel) {
        if hasFailed.load(ordering: .acquiring) { return }
        waitForRecording()
        if let native = kernel as? any CUDAKernel, native.suitsCUDA { return native.launch(on: CUDAQueue(backend: self)) }
        references.withLock { $0[type(of: kernel).name, default: 0] += 1 }
        if let error = runReference(kernel) { record(error) }
    }

    /// Queues `function` with `arguments`, laid out as its own struct would be.
    func launch(_ function: CUDAFunction, _ shape: bits_cuda_shape, _ arguments: [UInt8]) {
        if hasFailed.load(ordering: .acquiring) { return }
        do {
            let handle = try function.handle(on: context.ordinal) { () throws(DeviceError) in try find(function) }
            let pointer = unsafe UnsafeMutableRawPointer(bitPattern: handle)
            var status = unsafe arguments.withUnsafeBytes {
                unsafe bits_cuda_launch(context.pointer, pointer, stream.pointer, shape, $0.baseAddress, $0.count)
            }
            if status == 0 && waitsForEach { status = unsafe bits_cuda_stream_wait(context.pointer, stream.pointer) }
            note(status, in: function.name)
        } catch { record(error) }
    }

    private func find(_ function: CUDAFunction) throws(DeviceError) -> UInt {
        let module = try modules.withLock { modules throws(DeviceError) in
            if let module = modules[function.file] { return module }
            let image = try CUDACompiler.image(of: function.file, for: context.properties.architecture)
            var pointer: UnsafeMutableRawPointer?
            let status = unsafe image.withUnsafeBytes { unsafe bits_cuda_module_load(context.pointer, $0.baseAddress, &pointer) }
            guard status == 0 else { throw .unavailable(name, reason: "\(function.file).cu: \(CUDADriver.text(of: status))") }
            let module = UInt(bitPattern: pointer)
            modules[function.file] = module
            return module
        }
        var handle: UnsafeMutableRawPointer?
        let status = unsafe bits_cuda_function_find(
            context.pointer, UnsafeMutableRawPointer(bitPattern: module), function.name, Int32(context.properties.sharedByteCount), &handle)
        guard status == 0 else { throw .unavailable(name, reason: "\(function.file).cu has no \(function.name): \(CUDADriver.text(of: status))") }
        return UInt(bitPattern: handle)
    }

    // MARK: Failure

    func synchronize() throws(DeviceError) {
        if loss.withLock({ $0 == nil }) { note(unsafe bits_cuda_stream_wait(context.pointer, stream.pointer), in: "work") }
        try throwFailure()
    }

    /// Notes what the driver said of `work`. A kernel that does not fit the device fails alone; anything else ends the device's use.
    func note(_ status: Int32, in work: String) {
        guard status != 0 else { return }
        let isAlone = status == 1 || status == 701
        if isAlone { return record(.kernelFailed(work, device: name, status: Int(status))) }
        loss.withLock { $0 = $0 ?? .deviceLost(name, reason: "\(CUDADriver.text(of: status)), found in: \(work)") }
        hasFailed.store(true, ordering: .releasing)
    }

    func record(_ error: DeviceError, leavesMemoryMissing: Bool = false) {
        changeFailure { $0 = DeviceFailure($0, error, leavesMemoryMissing: leavesMemoryMissing) }
    }

    private func throwFailure() throws(DeviceError) {
        guard hasFailed.load(ordering: .acquiring) else { return }
        if let error = loss.withLock({ $0 }) { throw error }
        var error: DeviceError?
        changeFailure { error = $0?.reported() }
        if let error { throw error }
    }

    private func changeFailure(_ change: (inout DeviceFailure?) -> Void) {
        let isLost = loss.withLock { $0 != nil }
        failure.withLock {
            change(&$0)
            if $0?.isOver == true { $0 = nil }
            hasFailed.store($0 != nil || isLost, ordering: .releasing)
        }
    }
}

extension Slice {
    /// Of the first element, in the device's address space.
    var deviceAddress: UInt { buffer.address + UInt(byteOffset) }
}

/// A queue of the driver's.
struct CUDAStream: Sendable {
    private let bits: UInt

    init(_ context: CUDAContext) throws(DeviceError) {
        var stream: UnsafeMutableRawPointer?
        let status = unsafe bits_cuda_stream_create(context.pointer, &stream)
        guard status == 0 else { throw .unavailable("cuda:\(context.ordinal)", reason: CUDADriver.text(of: status)) }
        bits = UInt(bitPattern: stream)
    }

    var pointer: UnsafeMutableRawPointer? { unsafe UnsafeMutableRawPointer(bitPattern: bits) }
}
