import BitsKernels
import BitsSystem
import Synchronization
import Testing
import _BitsTestSupport

@Suite("The deferred device")
struct DeferredDeviceTests {
    @Test("Nothing happens before the host waits, then everything in order, on another thread")
    func order() throws {
        let device = Device.deferred()
        let slice = device.slice([1, 2, 3])
        let witness = Witness()
        device.run(Observed(slice, by: witness))
        device.run(ScaleAndShift(slice, scale: 2, into: slice))
        let copy = copied(slice)
        device.run(Fill(9, into: slice))
        #expect(witness.threads == [])
        #expect(try copy.downloadFloats() == [2, 4, 6])
        #expect(try slice.downloadFloats() == [9, 9, 9])
        #expect(witness.threads.count == 1 && witness.threads != [pthread_self()])
    }

    @Test("A failure surfaces at the next wait, once")
    func failure() throws {
        let device = Device.deferred(failingKernels: ["fill"])
        let slice = device.slice([1, 2, 3])
        device.run(Fill(9, into: slice))
        device.run(ScaleAndShift(slice, scale: 2, into: slice))
        #expect(throws: DeviceError.kernelFailed("fill", device: "deferred", status: 1)) { try slice.downloadFloats() }
        #expect(try slice.downloadFloats() == [2, 4, 6])
    }

    @Test("Memory beyond the capacity is refused, and freed memory counts again")
    func capacity() throws {
        let device = Device.deferred(capacity: 1000)
        var first: Slice? = device.allocate(.float32, count: 200)
        #expect(device.allocatedByteCount == 800)
        device.run(Fill(1, into: device.allocate(.float32, count: 100)))
        #expect(throws: DeviceError.outOfMemory(byteCount: 400, device: "deferred", held: [.activations: 800])) { try device.synchronize() }
        first = nil
        #expect(first == nil && device.allocatedByteCount == 0)
        #expect(try device.slice([Float](repeating: 3, count: 250)).downloadFloats().reduce(0, +) == 750)
    }

    @Test("Work that is submitted keeps nothing, and is done before what frees its memory")
    func lifetime() throws {
        let device = Device.deferred()
        var slice = device.slice([1, 2, 3])
        device.run(ScaleAndShift(slice, scale: 2, into: slice))
        let copy = copied(slice)
        slice = copy
        #expect(device.allocatedByteCount == 12)
        #expect(try copy.downloadFloats() == [2, 4, 6])
    }

    @Test("Work on memory that was freed before it was submitted stops the process, as do operands that overlap")
    func mistakes() async {
        await #expect(processExitsWith: .failure) {
            let device = Device.deferred()
            let late = Fill(1, into: device.allocate(.float32, count: 3)).borrowingOperands()
            device.run(late)
            try device.synchronize()
        }
        await #expect(processExitsWith: .failure) {
            let slice = Device.deferred().slice([1, 2, 3])
            slice.device.run(Softmax(slice, width: 3, into: slice))
        }
    }

    @Test("A late read gives what was there when it was submitted, and waits for no more")
    func lateRead() throws {
        let device = Device.deferred(failingKernels: ["softmax"])
        let slice = device.slice([1, 2, 3])
        let witness = Witness()
        let early = slice.downloadLater()
        device.run(Observed(slice, by: witness))
        device.run(Fill(9, into: slice))
        let middle = slice.downloadLater()
        device.run(Softmax(slice, width: 3, into: device.allocate(.float32, count: 3)))
        let late = slice.downloadLater()
        #expect(device.counts.hostWaits == 0)
        #expect(DType.float32.floats(in: try early()) == [1, 2, 3])
        #expect(witness.threads == [])
        #expect(DType.float32.floats(in: try middle()) == [9, 9, 9])
        #expect(witness.threads.count == 1)
        for _ in 0..<2 { #expect(throws: DeviceError.kernelFailed("softmax", device: "deferred", status: 1)) { try late() } }
        #expect(DType.float32.floats(in: try middle()) == [9, 9, 9])
        try device.synchronize()
        #expect(device.counts.lateReads == 5 && device.counts.downloads == 0 && device.counts.synchronizations == 1)
    }

    @Test("A kernel that the device has no version of runs by its reference, which is counted, and fails late as others do")
    func missingKernels() throws {
        let device = Device.deferred(failingKernels: ["fill"], missingKernels: ["scale_shift"])
        let slice = device.slice([1, 2, 3])
        device.run(ScaleAndShift(slice, scale: 2, into: slice))
        #expect(device.referenceRuns == ["scale_shift": 1])
        #expect(try slice.downloadFloats() == [2, 4, 6])
        #expect(device.referenceRuns == device.counts.referenceRuns)

        device.run(Fill(9, into: slice))
        device.run(ScaleAndShift(slice, scale: 2, into: slice))  // meets the error of the work before it
        #expect(throws: DeviceError.kernelFailed("fill", device: "deferred", status: 1)) { try device.synchronize() }
        #expect(try slice.downloadFloats() == [2, 4, 6])
    }

    @Test("Two devices share nothing")
    func apart() {
        #expect(Device.deferred() != Device.deferred())
        #expect(Device.deferred() != .cpu)
    }

    private func copied(_ slice: Slice) -> Slice {
        let copy = slice.device.allocate(slice.dtype, count: slice.count)
        let shape = [slice.count]
        slice.device.run(StridedCopy(from: StridedSlice(contiguous: slice, shape: shape), to: StridedSlice(contiguous: copy, shape: shape)))
        return copy
    }
}

/// The threads that ran a kernel.
private final class Witness: Sendable {
    private let seen = Mutex<[pthread_t]>([])

    var threads: [pthread_t] { seen.withLock { $0 } }

    func note() { seen.withLock { $0.append(pthread_self()) } }
}

/// Tells a witness when it runs.
private struct Observed: Kernel {
    static let name = "observed"
    var slice: Slice
    let witness: Witness

    init(_ slice: Slice, by witness: Witness) {
        self.slice = slice
        self.witness = witness
    }

    static let operandList: OperandList<Self> = [.reads("slice", \.slice)]

    func reference(_ memory: some ReferenceMemory) { witness.note() }
}
