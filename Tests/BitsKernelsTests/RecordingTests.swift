import BitsKernels
import BitsVerify
import Synchronization
import Testing
import _BitsTestSupport

@Suite("Recorded work")
struct RecordingTests {
    private let device = Device.tested

    @Test("Recorded work is not done by recording it, and computes again what its operands hold by then")
    func repeats() throws {
        let x = device.upload([Float(1), 2, 3], as: .float32)
        let recorded = try record {
            let scratch = device.allocate(.float32, count: 3)
            device.run(ScaleAndShift(x, scale: 2, into: scratch))
            device.run(ScaleAndShift(scratch, scale: 1, shift: 1, into: x))
        }
        #expect(try x.downloadFloats() == [1, 2, 3])
        recorded.submit()
        recorded.submit()
        #expect(try x.downloadFloats() == [7, 11, 15])
    }

    @Test("Memory between recorded kernels is used again by them, and by nobody else before the recording goes")
    func memory() throws {
        let (x, y) = (
            device.upload([Float](repeating: 1, count: 40_000), as: .float32), device.upload([Float](repeating: 0, count: 40_000), as: .float32)
        )
        var addresses: Set<UInt> = []
        var recorded: (any RecordedWork)? = try record {
            for _ in 0..<50 {
                let scratch = device.allocate(.float32, count: 40_000)
                addresses.insert(scratch.buffer.address)
                device.run(ScaleAndShift(x, scale: 2, into: scratch))
                device.run(ScaleAndShift(scratch, scale: 1, into: y))
            }
        }
        // A few kernels may wait to be joined with others, and hold theirs.
        #expect(addresses.count <= (device == .cpu ? 1 : 10))
        var others = (0..<50).map { _ in device.upload([Float](repeating: 5, count: 40_000), as: .float32) }
        #expect(others.allSatisfy { !addresses.contains($0.buffer.address) })
        recorded?.submit()
        #expect(try y.downloadFloats().allSatisfy { $0 == 2 })
        #expect(try others.allSatisfy { try $0.downloadFloats().allSatisfy { $0 == 5 } })
        recorded = nil
        others = (0..<50).map { _ in device.allocate(.float32, count: 40_000) }
        #expect(others.contains { addresses.contains($0.buffer.address) })
    }

    @Test("What outlives a recording keeps its memory to itself as long as the recording may write there")
    func escaping() throws {
        let x = device.upload([Float](repeating: 3, count: 40_000), as: .float32)
        var result: Slice?
        var recorded: (any RecordedWork)? = try record {
            let own = device.allocate(.float32, count: 40_000)
            device.run(ScaleAndShift(x, scale: 2, into: own))
            result = own
        }
        recorded?.submit()
        #expect(try result?.downloadFloats().allSatisfy { $0 == 6 } == true)
        let address = result?.buffer.address
        result = nil
        let others = (0..<50).map { _ in device.upload([Float](repeating: 5, count: 40_000), as: .float32) }
        #expect(!others.contains { $0.buffer.address == address })
        recorded?.submit()
        #expect(try others.allSatisfy { try $0.downloadFloats().allSatisfy { $0 == 5 } })
        recorded = nil
    }

    @Test("Host memory that is uploaded within is uploaded again")
    func uploads() throws {
        let x = device.allocate(.float32, count: 3)
        let recorded = try record {
            let source = device.upload([Float(1), 2, 3], as: .float32)
            device.run(ScaleAndShift(source, scale: 10, into: x))
        }
        recorded.submit()
        #expect(try x.downloadFloats() == [10, 20, 30])
        device.run(ScaleAndShift(x, scale: 0, into: x))
        recorded.submit()
        #expect(try x.downloadFloats() == [10, 20, 30])
    }

    @Test(
        "Products of one input have the bits that each has alone, whatever a device joins, and see what earlier work wrote",
        arguments: [1, 3, 9, 130], [192, 256])
    func products(rows M: Int, columns K: Int) throws {
        let widths = [70, 5, 64, 129, 33]
        let input = device.input(HostileFloats.ordinary(count: M * K, seed: 1), as: .bfloat16)
        let weights = widths.map { FourBitLinearTests.fourBitMatrix($0, K, blockSize: 64, nested: $0 % 2 == 0) }
        let bias = device.input(HostileFloats.ordinary(count: 5, seed: 2), as: .float32)
        let outputs = (widths + [64]).map { device.output(.bfloat16, count: M * $0) }
        let (between, back) = (device.output(.bfloat16, count: M * 70), FourBitLinearTests.fourBitMatrix(K, 64, blockSize: 64, nested: true))
        func submit() {
            for (index, weight) in weights.enumerated() {
                let product = FourBitLinear(
                    input, weight: weight, bias: widths[index] == 5 ? bias : nil, into: outputs[index], precision: .bfloat16)
                device.run(product)
                if index == 1 { device.run(ScaleAndShift(outputs[0], scale: 2, into: between)) }
            }
            // Writes the input over, which a last product reads.
            device.run(FourBitLinear(outputs[2], weight: back, bias: nil, into: input, precision: .bfloat16))
            device.run(FourBitLinear(input, weight: weights[2], bias: nil, into: outputs[5], precision: .bfloat16))
        }
        func results() throws -> [[Float]] { try (outputs + [between]).map { try $0.downloadFloats() } }
        let start = device.output(.bfloat16, count: M * K)
        device.run(ScaleAndShift(input, scale: 1, into: start))
        submit()
        let expected = try results()
        device.run(ScaleAndShift(start, scale: 1, into: input))
        // A recording keeps none of its operands.
        try withExtendedLifetime((input, weights, back, bias)) {
            let recorded = try record(submit)
            recorded.submit()
            #expect(try results() == expected)
        }
    }

    @Test("Work of which the host computes a part is done in its order, recorded or not")
    func hostWork() throws {
        // No GPU's kernel takes heads of this width.
        let operands = AttentionOperands(AttentionTests.shape(1, 2, 2, 2, 1, 1, 3200), dtype: .float32, ranges: .all)
        let (query, result) = (operands.inputs.query, device.output(.float32, count: operands.output.count))
        func submit() {
            let halved = device.allocate(.float32, count: query.count)
            device.run(ScaleAndShift(query, scale: 0.5, into: halved))
            device.run(ScaleAndShift(halved, scale: -1, into: query))
            device.run(operands.forward)
            device.run(ScaleAndShift(operands.output, scale: 3, into: result))
        }
        let outputs = [KernelOutput("query", query), KernelOutput("output", operands.output), KernelOutput("result", result)]
        #expect(try deviationsOfRecording(submit, outputs: outputs) == [])
        // What comes behind it is recorded as ever.
        let recorded = try record { device.run(ScaleAndShift(result, scale: 0, shift: 1, into: result)) }
        recorded.submit()
        #expect(try result.downloadFloats().allSatisfy { $0 == 1 })
    }

    @Test("Work that another task submits meanwhile is done at once, and not recorded", .enabled(if: Device.tested == .cpu))
    func otherTasks() async throws {
        let (device, x) = (device, device.upload([Float(1), 2, 3], as: .float32))
        let signals = Signals()
        async let other = {
            while !signals.begun.load(ordering: .acquiring) { await Task.yield() }
            let own = device.upload([Float(4), 5], as: .float32)
            device.run(ScaleAndShift(own, scale: 2, into: own))
            signals.done.store(true, ordering: .releasing)
            return try own.downloadFloats()
        }()
        let recorded = try await Task.detached {
            try record {
                signals.begun.store(true, ordering: .releasing)
                while !signals.done.load(ordering: .acquiring) {}
                device.run(ScaleAndShift(x, scale: 2, into: x))
            }
        }.value
        #expect(try await other == [8, 10])
        recorded.submit()
        #expect(try x.downloadFloats() == [2, 4, 6])
    }

    private func record(_ body: () -> Void) throws -> any RecordedWork {
        guard case .recorded(let recorded) = device.record(body) else { throw NothingRecorded() }
        return recorded
    }

    private struct NothingRecorded: Error {}

    private final class Signals: Sendable {
        let begun = Atomic<Bool>(false)
        let done = Atomic<Bool>(false)
    }
}
