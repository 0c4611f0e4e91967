import BitsKernels
import FoundationEssentials
import Testing
import _BitsTestSupport

@Suite("Conformance of devices")
struct ConformanceTests {
    @Test("The processor computes what the references say, at every level and thread count", arguments: ConformanceCase.all)
    func cpu(example: ConformanceCase) throws {
        #expect(try example.deviations(on: .cpu) == [])
    }

    @Test("A device with its own memory, which works later, computes the same", arguments: ConformanceCase.all)
    func deferred(example: ConformanceCase) throws {
        #expect(try example.deviations(on: .deferred()) == [])
    }

    @Test("No kernel is without a case")
    func completeness() throws {
        let kernels = URL(filePath: #filePath).deletingLastPathComponent().appending(path: "../../Sources/BitsKernels/Kernels")
        var declared: Set<String> = []
        for file in try FileManager.default.contentsOfDirectory(atPath: kernels.path) {
            let text = try String(contentsOf: kernels.appending(path: file), encoding: .utf8)
            declared.formUnion(text.matches(of: /static let name = "(\w+)"/).map { String($0.output.1) })
        }
        #expect(declared.count > 20)
        #expect(declared.subtracting(ConformanceCase.all.map(\.kernel)) == [])
    }
}

@Suite("The deferred device")
struct DeferredDeviceTests {
    @Test("Nothing happens before the host waits, then everything in order")
    func order() throws {
        let device = Device.deferred()
        let slice = device.slice([1, 2, 3])
        device.run(ScaleAndShift(slice, scale: 2, into: slice))
        let copy = device.allocate(.float32, count: 3)
        device.run(StridedCopy(from: StridedSlice(contiguous: slice, shape: [3]), to: StridedSlice(contiguous: copy, shape: [3])))
        device.run(Fill(9, into: slice))
        #expect(try copy.downloadFloats() == [2, 4, 6])
        #expect(try slice.downloadFloats() == [9, 9, 9])
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
        #expect(throws: DeviceError.outOfMemory(byteCount: 400, device: "deferred")) { try device.synchronize() }
        first = nil
        #expect(first == nil && device.allocatedByteCount == 0)
        #expect(try device.slice([Float](repeating: 3, count: 250)).downloadFloats().reduce(0, +) == 750)
    }

    @Test("Work that is queued keeps its operands, and lets them go when it is done")
    func lifetime() throws {
        let device = Device.deferred()
        device.run(Fill(1, into: device.allocate(.float32, count: 8)))
        #expect(device.allocatedByteCount == 32)
        try device.synchronize()
        #expect(device.allocatedByteCount == 0)
    }

    @Test("Two devices share nothing")
    func apart() {
        #expect(Device.deferred() != Device.deferred())
        #expect(Device.deferred() != .cpu)
    }
}
