import BitsSystem
internal import CBitsCUDA
internal import Synchronization

/// An NVIDIA GPU: kernels are queued on one stream, and the host goes on.
final class CUDABackend: DeviceBackend {
    let name: String
    let worksAtOnce = false
    let context: CUDAContext
    let memory: CUDAAllocator
    let ledger = MemoryLedger()
    let stream: CUDAStream
    /// For reading what no work changes while others are recorded.
    let reading: CUDAStream
    private let staging: CUDAStaging
    let pinned: CUDAPinnedMemory
    /// For ``recordedTables``: no copy that is on its way writes to these blocks.
    let tables: CUDAPinnedMemory
    /// For ``putAway(_:)``, once it has been asked for.
    let away = Mutex<(copies: CUDACopies, memory: CUDAPinnedMemory)?>(nil)
    private let modules = Mutex<[String: UInt]>([:])
    private let trouble = Mutex(Trouble())
    /// Whether there is ``trouble``; kernels are left out then, as their operands may not exist.
    let hasFailed = Atomic<Bool>(false)
    private let references = Mutex<[String: Int]>([:])
    /// Held by whoever gives the queue work.
    let turn = CUDAQueueLock()
    /// What launches that are being recorded read, kept where it is; nil while nothing is recorded. Under ``turn``.
    let recordedTables = Mutex<[CUDAPinnedMemory.Block]?>(nil)
    /// What was submitted for the recording that is under way and is not queued yet; nil at other times. Under ``turn``.
    let submitted = Mutex<CUDAFusion?>(nil)
    /// Under ``turn``.
    let unsettled = Mutex(CUDAUnsettledMemory())
    /// Whether each launch is waited for, so that an error is told with the kernel that made it: `BNB_CUDA_WAIT=1`.
    let waitsForEach = FileSystem.environment("BNB_CUDA_WAIT") == "1"

    private struct Trouble {
        /// What failed alone.
        var failure: DeviceFailure?
        /// Why the device can no longer be used; nothing brings it back.
        var loss: DeviceError?
    }

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
        reading = try CUDAStream(context)
        memory = CUDAAllocator(context, limit: memoryLimit)
        staging = CUDAStaging(context)
        pinned = CUDAPinnedMemory(context)
        tables = CUDAPinnedMemory(context)
    }

    deinit {
        waitForAll()
        stream.destroy(context)
        reading.destroy(context)
    }

    var device: Device { Device(backend: self) }

    // MARK: Memory

    var allocatedByteCount: Int { memory.usedByteCount }
    var freeByteCount: Int? { memory.freeByteCount }

    func blockByteCount(_ byteCount: Int) -> Int { CUDAAllocator.roundedUp(byteCount) }

    func allocate(byteCount: Int) -> UInt {
        turn.hold {
            // What is allocated after a failure would never be filled.
            var (address, status): (UInt, Int32) = (0, 0)
            if !hasFailed.load(ordering: .acquiring) { (address, status) = memory.allocate(byteCount: byteCount) }
            if status != 0 && status != CUDADriver.outOfMemory { note(status, in: "allocation") }
            if address == 0 { record(.outOfMemory(byteCount: byteCount, device: name, held: ledger.live), leavesMemoryMissing: true) }
            return address
        }
    }

    func deallocate(address: UInt, byteCount: Int) {
        guard address != 0 else { return changeTrouble { $0.failure?.released() } }
        turn.hold { memory.deallocate(address: address, byteCount: byteCount) }
    }

    func adopt(_ file: MappedFile) -> UInt? { nil }

    func openPageStore(folder: String) throws(FileError) -> (any DevicePageStore)? {
        do { return try CUDAPageStore(self) } catch { throw FileError(path: name, message: "has no stream for paging: \(error)") }
    }

    // MARK: Copies

    func upload(_ bytes: RawSpan, to slice: Slice) {
        precondition(bytes.byteCount == slice.byteCount, "\(bytes.byteCount) bytes for a slice of \(slice.byteCount)")
        guard slice.hasMemory, bytes.byteCount > 0 else { return }
        turn.hold {
            if let table = recordedTable(bytes) {
                let upload = CUDARecordedUpload(table: table, target: slice)
                if !keepForRecording(upload) { upload.launch(on: CUDAQueue(backend: self)) }
            } else {
                settle(before: slice)
                let status = unsafe staging.copy(bytes, to: slice.deviceAddress, stream: stream.pointer)
                notePinned(status, CUDAStaging.byteCount, in: "copy to the device")
            }
        }
    }

    func download(_ slice: Slice, into bytes: inout MutableRawSpan) throws(DeviceError) {
        precondition(bytes.byteCount == slice.byteCount, "\(bytes.byteCount) bytes for a slice of \(slice.byteCount)")
        try throwTrouble()
        unsafe bytes.withUnsafeMutableBytes { target in
            // One part is on its way while the one before is taken out of pinned memory.
            var last: (block: CUDAPinnedMemory.Block, start: Int)?
            for start in stride(from: 0, to: target.count, by: CUDABackend.downloadByteCount) {
                let part = startDownload(slice.deviceAddress + UInt(start), byteCount: min(CUDABackend.downloadByteCount, target.count - start))
                if let last { unsafe finishDownload(last.block, into: UnsafeMutableRawBufferPointer(rebasing: target[last.start..<start])) }
                last = part.map { ($0, start) }
                if part == nil { break }
            }
            if let last { unsafe finishDownload(last.block, into: UnsafeMutableRawBufferPointer(rebasing: target[last.start...])) }
        }
        try synchronize()
    }

    /// Of a part of what is read from the device.
    private static let downloadByteCount = 4 << 20

    /// Queues a copy to pinned memory, with an event behind it; nil where it could not be, which is noted.
    private func startDownload(_ address: UInt, byteCount: Int) -> CUDAPinnedMemory.Block? {
        turn.hold {
            let (block, status) = pinned.take(byteCount: byteCount)
            notePinned(status, byteCount, in: "copy from the device")
            guard let block else { return nil }
            settle()
            note(
                unsafe bits_cuda_copy_out(context.pointer, stream.pointer, block.pointer, UInt64(address), byteCount), in: "copy from the device")
            note(unsafe bits_cuda_event_record(context.pointer, block.event, stream.pointer), in: "copy from the device")
            return block
        }
    }

    private func finishDownload(_ block: CUDAPinnedMemory.Block, into target: UnsafeMutableRawBufferPointer) {
        note(unsafe bits_cuda_event_wait(context.pointer, block.event), in: "copy from the device")
        unsafe target.copyMemory(from: UnsafeRawBufferPointer(start: block.pointer, count: target.count))
    }

    func downloadLater(_ slice: Slice) -> LateBytes {
        if let error = currentTrouble {
            return { () throws(DeviceError) in
                self.changeTrouble { $0.failure?.reported(error) }
                throw error
            }
        }
        let count = slice.byteCount
        let taken = startDownload(slice.deviceAddress, byteCount: count)
        return { () throws(DeviceError) in
            guard let block = taken else {
                try self.throwTrouble()
                throw .outOfHostMemory(byteCount: count, device: self.name)
            }
            self.note(unsafe bits_cuda_event_wait(self.context.pointer, block.event), in: "work before a late read")
            try self.throwTrouble()
            return unsafe [UInt8](UnsafeRawBufferPointer(start: block.pointer, count: count))
        }
    }

    /// Copies within the device.
    func copyWithin(_ source: Slice, to destination: Slice) {
        guard source.byteCount > 0, source.hasMemory, destination.hasMemory else { return }
        let (from, to) = (UInt64(source.deviceAddress), UInt64(destination.deviceAddress))
        turn.hold {
            settle(before: destination)
            noteQueued(unsafe bits_cuda_copy(context.pointer, stream.pointer, to, from, source.byteCount), in: "copy")
        }
    }

    func clear(_ slice: Slice) {
        guard slice.byteCount > 0, slice.hasMemory else { return }
        turn.hold {
            settle(before: slice)
            noteQueued(unsafe bits_cuda_clear(context.pointer, stream.pointer, UInt64(slice.deviceAddress), slice.byteCount), in: "clear")
        }
    }

    /// Gives what is idle back to the driver.
    func emptyCache() {
        // No copy to or from a block is queued meanwhile.
        turn.hold {
            waitForAll()
            memory.empty()
            for host in [pinned, tables] + (away.withLock { $0.map { [$0.memory] } } ?? []) { host.empty() }
        }
    }

    // MARK: Kernels

    var referenceRuns: [String: Int] { references.withLock { $0 } }

    func submit(_ kernel: some Kernel) {
        if hasFailed.load(ordering: .acquiring) { return }
        if let native = kernel as? any CUDAKernel, native.suitsCUDA {
            return turn.hold {
                if keepForRecording(native) { return }
                native.launch(on: CUDAQueue(backend: self))
                noteWrites(of: native)
            }
        }
        leaveRecording()
        references.withLock { $0[type(of: kernel).name, default: 0] += 1 }
        if let error = runReference(kernel) { record(error) }
    }

    /// Queues `function` with `arguments`, laid out as its own struct would be.
    func launch(_ function: CUDAFunction, _ shape: bits_cuda_shape, _ arguments: CUDAArguments) {
        if hasFailed.load(ordering: .acquiring) { return }
        var shape = shape
        if unsettled.withLock({ $0.needsEnd }) { shape.overlaps = false }
        if !shape.overlaps { settle() }
        do {
            let handle = try function.handle(on: context.ordinal) { () throws(DeviceError) in try find(function) }
            let pointer = unsafe UnsafeMutableRawPointer(bitPattern: handle)
            let status = unsafe arguments.withUnsafeBytes {
                unsafe bits_cuda_launch(context.pointer, pointer, stream.pointer, shape, $0.baseAddress, $0.count)
            }
            noteQueued(status, in: function.name)
        } catch { record(error) }
    }

    /// What is queued next begins when all before it is done, and writes `slice`.
    private func settle(before slice: Slice) {
        settle()
        unsettled.withLock { $0.write([slice.addresses]) }
    }

    private func settle() { unsettled.withLock { $0.settle() } }

    private func noteWrites(of kernel: some Kernel) {
        if unsettled.withLock({ $0.isWanted }) { unsettled.withLock { $0.write(kernel.written.map(\.addresses)) } }
    }

    func isSettled(_ ranges: [Range<UInt>]) -> Bool { submitted.withLock { $0 == nil } && unsettled.withLock { $0.isSettled(ranges) } }

    private func find(_ function: CUDAFunction) throws(DeviceError) -> UInt {
        let module = try modules.withLock { modules throws(DeviceError) in
            if let module = modules[function.file] { return module }
            let image = try CUDAMachineCode.image(of: function.file, on: context)
            var pointer: UnsafeMutableRawPointer?
            let status = unsafe image.withUnsafeBytes { unsafe bits_cuda_module_load(context.pointer, $0.baseAddress, &pointer) }
            guard status == 0 else { throw CUDADriver.refusal(status, of: "\(function.file).cu", on: name) }
            let module = UInt(bitPattern: pointer)
            modules[function.file] = module
            return module
        }
        var handle: UnsafeMutableRawPointer?
        let status = unsafe bits_cuda_function_find(
            context.pointer, UnsafeMutableRawPointer(bitPattern: module), function.name, Int32(context.properties.sharedByteCount), &handle)
        guard status == 0 else { throw CUDADriver.refusal(status, of: "\(function.name) in \(function.file).cu", on: name) }
        return UInt(bitPattern: handle)
    }

    // MARK: Failure

    func synchronize() throws(DeviceError) {
        waitForAll()
        try throwTrouble()
    }

    /// Waits for all submitted work. An error stays for those who want what the work computes.
    func waitForAll() {
        if isLost { return }
        // By an event, as the queue itself cannot be waited for while somebody records.
        let (block, status) = turn.hold {
            let taken = pinned.take(byteCount: 0)
            if let block = taken.block { note(unsafe bits_cuda_event_record(context.pointer, block.event, stream.pointer), in: "work") }
            return taken
        }
        notePinned(status, CUDAPinnedMemory.leastByteCount, in: "work")
        if let block { note(unsafe bits_cuda_event_wait(context.pointer, block.event), in: "work") }
    }

    /// Notes what the driver said of `work`. What could not be queued fails alone; anything else ends the device's use.
    func note(_ status: Int32, in work: String) {
        guard status != 0 else { return }
        record(
            CUDADriver.leavesDeviceUsable(status)
                ? .notQueued(work, device: name, reason: CUDADriver.text(of: status)) : CUDADriver.loss(status, in: work, on: name))
    }

    /// Notes what the driver said as `work` was queued; under ``waitsForEach``, what came of it.
    func noteQueued(_ status: Int32, in work: String) {
        note(status == 0 && waitsForEach ? unsafe bits_cuda_stream_wait(context.pointer, stream.pointer) : status, in: work)
    }

    /// Notes what the driver said as `work` took `byteCount` bytes of pinned host memory.
    func notePinned(_ status: Int32, _ byteCount: Int, in work: String) {
        guard status == CUDADriver.outOfMemory else { return note(status, in: work) }
        record(.outOfHostMemory(byteCount: byteCount, device: name))
    }

    func record(_ error: DeviceError, leavesMemoryMissing: Bool = false) {
        changeTrouble { trouble in
            if case .deviceLost = error {
                trouble.loss = trouble.loss ?? error
            } else {
                trouble.failure = DeviceFailure(trouble.failure, error, leavesMemoryMissing: leavesMemoryMissing)
            }
        }
    }

    private var isLost: Bool { trouble.withLock { $0.loss != nil } }

    private var currentTrouble: DeviceError? { trouble.withLock { $0.loss ?? $0.failure?.error } }

    private func throwTrouble() throws(DeviceError) {
        guard hasFailed.load(ordering: .acquiring) else { return }
        var error: DeviceError?
        changeTrouble { error = $0.loss ?? $0.failure?.reported() }
        if let error { throw error }
    }

    private func changeTrouble(_ change: (inout Trouble) -> Void) {
        trouble.withLock {
            change(&$0)
            if $0.failure?.isOver == true { $0.failure = nil }
            hasFailed.store($0.failure != nil || $0.loss != nil, ordering: .releasing)
        }
    }
}

extension Slice {
    /// Of the first element, in the device's address space.
    var deviceAddress: UInt { buffer.address + UInt(byteOffset) }

    /// Whether that is a multiple of `byteCount`.
    func isAligned(to byteCount: Int) -> Bool { deviceAddress % UInt(byteCount) == 0 }
}
