import BitsKernels
import BitsSystem
import Testing
import _BitsTestSupport

@Suite("Copies and late reads")
struct TransferTests {
    @Test("Slices go from device to device as they are, parts of buffers as well")
    func between() throws {
        let (one, other) = (Device.deferred(), Device.deferred())
        let values = Device.cpu.slice([1, -2, .nan, 4], as: .bfloat16)[1..<4]
        let there = try one.copy(values)
        let further = try other.copy(there)
        let back = try Device.cpu.copy(further)
        #expect(there.device == one && further.device == other && back.device == .cpu && back.dtype == .bfloat16)
        #expect(try back.downloadBytes() == values.downloadBytes())
        #expect(one.counts.hostWaits == 1 && other.counts.hostWaits == 1)
    }

    @Test("A large part of a file is copied in pieces, each where it belongs")
    func largeFile() throws {
        var bytes = [UInt8](repeating: 0, count: 140 << 20)
        let places = [4, 5, 64 << 20, 64 << 20 + 4, 128 << 20 + 3, 140 << 20 - 5, 140 << 20 - 4]
        for place in places { bytes[place] = UInt8(truncatingIfNeeded: place * 37 % 251 + 1) }
        let folder = try TemporaryFolder()
        try AtomicFile.write(bytes, to: "\(folder.path)/large")
        let slice = Device.deferred().contents(of: try MappedFile(path: "\(folder.path)/large"), in: 4..<140 << 20 - 4, as: .float32)
        #expect(try slice.downloadBytes() == Array(bytes[4..<140 << 20 - 4]))
    }

    @Test("What an array of one number holds is uploaded, whatever becomes of the array", arguments: [Int64(7), -1 << 40])
    func short(number: Int64) throws {
        #expect(try Device.cpu.upload([number], as: .int64).download(as: Int64.self) == [number])
        #expect(try Device.deferred().upload([number], as: .int64).download(as: Int64.self) == [number])
        #expect(DType.int64.integers(in: DType.int64.bytes(of: [Int(number)])) == [Int(number)])
    }

    @Test("An error of the work that leads to a slice is thrown where it is copied")
    func failure() throws {
        let device = Device.deferred(failingKernels: ["fill"])
        let slice = device.allocate(.float32, count: 3)
        device.run(Fill(1, into: slice))
        #expect(throws: DeviceError.kernelFailed("fill", device: "deferred", status: 1)) { try Device.cpu.copy(slice) }
    }

    @Test("On the processor a late read gives what was there when it was submitted")
    func late() throws {
        let slice = Device.cpu.slice([1, 2, 3])
        let bytes = slice.downloadLater()
        Device.cpu.run(Fill(9, into: slice))
        #expect(DType.float32.floats(in: try bytes()) == [1, 2, 3])
    }

    // In a process of its own: until it is read, the error is everyone's on the device.
    @Test("On the processor a late read throws when it is asked, and tells the device's error by that")
    func lateFailure() async {
        await #expect(processExitsWith: .success) {
            var huge: Slice? = Device.cpu.allocate(.uint8, count: 1 << 60)
            let bytes = try #require(huge).downloadLater()
            huge = nil
            let error = try #require(#expect(throws: DeviceError.self) { try bytes() })
            guard case .outOfMemory(byteCount: 1 << 60, device: "cpu", held: _) = error else { throw error }
            #expect(throws: error) { try bytes() }
            try Device.cpu.synchronize()
            #expect(huge == nil)
        }
    }

    // In a process of its own: others run kernels meanwhile.
    @Test("The processor counts kernels that C has no version of, or does not take")
    func references() async {
        await #expect(processExitsWith: .success) {
            let norm = Device.cpu.slice([2, 0])
            let result = Device.cpu.allocate(.float32, count: 3)
            Device.cpu.run(Fill(1, into: result))
            #expect(Device.cpu.referenceRuns == [:])
            let (own, known) = (ElementRule.custom { g, _ in g }, ElementRule.momentum(.init(beta: 0, gain: 1, isFirst: false)))
            func step(_ rule: ElementRule) -> ParameterStep {
                ParameterStep(ElementUpdate(rule, step: -1), parameter: Device.cpu.slice([1, 1]), gradient: norm, moments: [])
            }
            Device.cpu.run(OptimizerStep([step(own), step(known)]))
            #expect(Device.cpu.referenceRuns == ["optimizer_step": 1])
            Device.cpu.run(OptimizerStep([step(known)]))
            #expect(Device.cpu.referenceRuns == ["optimizer_step": 1])
            let shape = AttentionShape(batch: 1, queries: 1, keys: 1, heads: 1, groups: 1, headWidth: 4096, scale: 1)
            let wide = AttentionOperands(shape, dtype: .float32, ranges: .all, on: .cpu)
            Device.cpu.run(wide.forward)
            #expect(Device.cpu.referenceRuns["attention"] == 1)
        }
    }
}
