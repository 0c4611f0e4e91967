import BitsKernels
import Foundation
import Testing

/// On a driver that computes nothing and notes what it is asked to launch: an early read that should not be gives wrong results on a GPU now and then.
@Suite("Reading before the launches before have ended")
struct EarlyReadTests {
    /// Something between two products with one weight, and whether the second may read it early.
    private enum Work: String, CaseIterable {
        case nothing, quantizing, uploading, waiting, readingBack, writingElsewhere, clearingScales, recorded, writingMuch

        var leavesWeight: Bool {
            switch self {
            case .nothing, .waiting, .readingBack, .writingElsewhere: true
            case .quantizing, .uploading, .clearingScales, .recorded, .writingMuch: false
            }
        }
    }

    /// - Parameter place: of the function's flag among its last two numbers.
    @Test(
        "A product reads its weight early where nothing that may still run writes it, and only there",
        arguments: [(1, "four_bit_few_1_bf16", 0), (8, "four_bit_few_8_bf16", 0), (16, "four_bit_wide_16_bf16", 1)])
    func products(rows: Int, function: String, place: Int) async throws {
        let (gpu, scratch) = (try FakeGPU(), try Scratch())
        let log = "\(scratch.path)/launches"
        let environment = gpu.environment(cache: "\(scratch.path)/cache", ["VERSION": "12040", "LAUNCHES": log])
        await #expect(processExitsWith: .success) { [environment = environment as [String: String], rows] in
            for (name, value) in environment { unsafe setenv(name, value, 1) }
            let products = try Products(on: try Device.cuda(), rows: rows)
            // The first to ask learns nothing of what was before, and has the queue begin anew.
            products.multiply()
            for work in Work.allCases {
                try products.submit(work)
                products.multiply()
                // What a product is told of depends on what came since the one before alone.
                try products.device.synchronize()
                _ = try products.input.downloadBytes()
            }
        }
        let launches = try String(contentsOfFile: log, encoding: .utf8).split(separator: "\n").map { $0.split(separator: " ") }
        let flags = launches.filter { $0[0] == function }.map { $0[2 + place] == "1" }
        #expect(flags.first == false)
        #expect(zip(Work.allCases, flags.dropFirst()).map { "\($0) \($1)" } == Work.allCases.map { "\($0) \($0.leavesWeight)" })
    }

    @Test("Products one after the other read early, but for the one of many that begins when all is done")
    func row() async throws {
        let (gpu, scratch) = (try FakeGPU(), try Scratch())
        let log = "\(scratch.path)/launches"
        let environment = gpu.environment(cache: "\(scratch.path)/cache", ["VERSION": "12040", "LAUNCHES": log])
        await #expect(processExitsWith: .success) { [environment = environment as [String: String]] in
            for (name, value) in environment { unsafe setenv(name, value, 1) }
            let products = try Products(on: try Device.cuda(), rows: 1)
            for _ in 0..<200 { products.multiply() }
        }
        let launches = try String(contentsOfFile: log, encoding: .utf8).split(separator: "\n").map { $0.split(separator: " ") }
        let products = launches.filter { $0[0] == "four_bit_few_1_bf16" }
        // Where one does not read early it does not overlap either, and the reverse.
        #expect(products.count == 200 && products.allSatisfy { $0[1] == $0[2] })
        #expect((2...4).contains(products.count { $0[1] == "0" }))
    }

    private struct Products {
        let device: Device
        let input: Slice
        private let weight: FourBitMatrix
        private let (values, absmax, output, other): (Slice, Slice, Slice, Slice)
        private let recording: (any RecordedWork)?

        init(on device: Device, rows: Int) throws {
            let (n, k) = (64, 256)
            self.device = device
            input = device.upload([UInt16](repeating: 0, count: rows * k), as: .bfloat16)
            values = device.upload([UInt16](repeating: 0, count: n * k), as: .bfloat16)
            absmax = device.allocate(.float32, count: n * k / 64)
            output = device.allocate(.bfloat16, count: rows * n)
            let other = device.allocate(.bfloat16, count: 100)
            self.other = other
            weight = FourBitMatrix(
                packed: device.allocate(.uint8, count: n * k / 2), rows: n, columns: k, blockSize: 64,
                code: device.upload(FourBitFormat.nf4.values, as: .float32), scales: .plain(absmax))
            if case .recorded(let work) = device.record({ device.run(Fill(1, into: other)) }) { recording = work } else { recording = nil }
        }

        func multiply() { device.run(FourBitLinear(input, weight: weight, bias: nil, into: output, precision: .bfloat16)) }

        private func quantize() {
            device.run(QuantizeFourBit(values, format: .nf4, blockSize: 64, packed: weight.packed, absmax: absmax))
        }

        func submit(_ work: Work) throws {
            switch work {
            case .nothing: break
            case .quantizing: quantize()
            case .uploading: try device.backend.copy(Device.cpu.upload(FourBitFormat.fp4.values, as: .float32), to: weight.code)
            case .waiting:
                quantize()
                _ = try other.downloadBytes()
            case .readingBack:
                quantize()
                _ = other.downloadLater()
            case .writingElsewhere: device.run(Fill(1, into: other))
            case .clearingScales: device.run(Fill(1, into: absmax))
            case .recorded: recording?.submit()
            case .writingMuch: for i in 0..<65 { device.run(Fill(1, into: other[i..<i + 1])) }
            }
        }
    }
}
