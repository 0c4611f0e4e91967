import BitsKernels
import Testing
import _BitsTestSupport

@Suite("What memory is used for")
struct MemoryLedgerTests {
    @Test("Memory counts as what it is taken for, and as what it becomes, until it goes")
    func categories() throws {
        let device = Device.deferred()
        var slices = [device.allocate(.float32, count: 10)]
        slices += counted(as: .moments) { [device.allocate(.uint8, count: 5), counted(as: .statistics) { device.allocate(.uint8, count: 3) }] }
        #expect(device.memory.live == [.activations: 40, .moments: 5, .statistics: 3])
        slices[0].buffer.count(as: .gradients)
        #expect(device.memory.live == [.gradients: 40, .moments: 5, .statistics: 3])
        slices.removeFirst()
        #expect(device.memory.live == [.moments: 5, .statistics: 3] && device.memory.live.total == device.allocatedByteCount)
        #expect("\(device.memory.live)" == "statistics 3 bytes, moments 5 bytes")
        slices = []
        #expect(device.memory.live == [:] && "\(device.memory.live)" == "nothing")
    }

    @Test("The peak is what was held when it was the most, and can be forgotten")
    func peak() {
        let device = Device.deferred()
        var kept: Slice? = counted(as: .weights) { device.allocate(.uint8, count: 100) }
        do {
            _ = device.allocate(.uint8, count: 50)
        }
        #expect(device.memory.peak == [.weights: 100, .activations: 50] && kept != nil)
        device.memory.forgetPeak()
        #expect(device.memory.peak == [.weights: 100])
        kept = nil
        _ = device.allocate(.uint8, count: 70)
        #expect(device.memory.peak == [.weights: 100])
    }

    @Test("Blocks count with what they take of the processor's memory")
    func rounding() {
        let meter = Meter()
        let slices = [1, 64, 65].map { meter.device.allocate(.uint8, count: $0) }
        #expect(meter.device.memory.live.total == 64 + 64 + 128 && slices.count == 3)
    }

    @Test("What was refused does not count, and the error tells what is held")
    func refused() throws {
        let device = Device.deferred(capacity: 100)
        let weights = counted(as: .weights) { device.allocate(.uint8, count: 80) }
        var more: Slice? = device.allocate(.uint8, count: 40)
        let error = DeviceError.outOfMemory(byteCount: 40, device: "deferred", held: [.weights: 80])
        #expect(throws: error) { try device.synchronize() }
        #expect("\(error)".contains("it holds weights 80 bytes;") && weights.count == 80 && more != nil)
        more = nil
        #expect(device.memory.live == [.weights: 80])
    }
}
