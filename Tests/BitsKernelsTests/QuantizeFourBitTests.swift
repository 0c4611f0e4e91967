import BitsKernels
import Testing
import _BitsTestSupport

@Suite("4-bit quantization kernels")
struct QuantizeFourBitTests {
    @Test("Codes, scales and the count of non-finite inputs are the reference's, whatever comes in", arguments: FourBitFormat.allCases)
    func hostile(format: FourBitFormat) throws {
        let values = HostileFloats.mixture(count: 5000, seed: 1) + thresholdsAndNeighbours(of: format) + denormalBlocks
        for dtype in [DType.float32, .float16, .bfloat16] {
            for blockSize in [2, 32, 64, 96, 128, 256, 512, 1024, 2048, 4096] {
                #expect(try differences(Device.tested.slice(values, as: dtype), format: format, blockSize: blockSize) == [])
            }
        }
    }

    @Test("Every size of the last block is quantized", arguments: [0, 1, 2, 5, 31, 32, 33, 63, 64, 65, 77, 95, 96, 127, 4095, 4097, 70_000])
    func sizes(count: Int) throws {
        for format in FourBitFormat.allCases {
            for blockSize in [32, 64, 128, 4096] {
                let input = Device.tested.slice(HostileFloats.ordinary(count: count, seed: 2))
                #expect(try differences(input, format: format, blockSize: blockSize) == [])
            }
        }
    }

    @Test("A block of zeros stores the code of zero and the scale 0", arguments: [(FourBitFormat.nf4, UInt8(0x77)), (.fp4, 0)])
    func zeros(format: FourBitFormat, byte: UInt8) throws {
        let packed = Device.tested.allocate(.uint8, count: 35)
        let absmax = Device.tested.allocate(.float32, count: 2)
        Device.tested.run(
            QuantizeFourBit(
                Device.tested.slice([0, -0.0] + [Float](repeating: 0, count: 67)), format: format, blockSize: 64, packed: packed, absmax: absmax))
        #expect(try packed.downloadBytes() == [UInt8](repeating: byte, count: 35))
        #expect(try absmax.downloadFloats() == [0, 0])
    }

    @Test("A tie goes to the lower code of nf4 and to the smaller magnitude of fp4")
    func ties() {
        for j in 0..<15 {
            let middle = (FourBitFormat.nf4.values[j] + FourBitFormat.nf4.values[j + 1]) * 0.5
            #expect(FourBitFormat.nf4.code(for: middle) == j)
            #expect(FourBitFormat.nf4.code(for: middle.nextUp) == j + 1)
        }
        for (limit, below, above) in [(Float(0.00260417), 0, 1), (0.0859375, 1, 6), (0.20833333, 6, 7), (0.8333333, 2, 3)] as [(Float, UInt8, UInt8)]
        {
            #expect(FourBitFormat.fp4.code(for: limit) == below)
            #expect(FourBitFormat.fp4.code(for: limit.nextUp) == above)
            #expect(FourBitFormat.fp4.code(for: -limit) == below + 8)
            #expect(FourBitFormat.fp4.code(for: -limit.nextUp) == above + 8)
        }
        #expect(FourBitFormat.fp4.code(for: -0.0) == 0)
        #expect(FourBitFormat.fp4.code(for: -1e-6) == 8)
        #expect(FourBitFormat.allCases.map { $0.code(for: .nan) } == [0, 0])
    }

    @Test("Dequantization is one product and one rounding, with plain and with nested scales", arguments: [DType.float32, .float16, .bfloat16])
    func dequantization(dtype: DType) throws {
        for (rows, columns) in [(1, 0), (1, 1), (3, 5), (1, 77), (9, 64), (33, 100), (40, 2048)] {
            for blockSize in [32, 64, 128, 4096] {
                for format in FourBitFormat.allCases {
                    for nested in [false, true] {
                        let matrix = matrix(rows, columns, format: format, blockSize: blockSize, nested: nested)
                        let output = Device.tested.allocate(dtype, count: rows * columns)
                        #expect(try differencesFromReference(DequantizeFourBit(matrix, into: output), outputs: ["output": output]) == [])
                    }
                }
            }
        }
    }

    @Test("A large dequantization, which bypasses the cache, is the same", arguments: [DType.float32, .bfloat16])
    func largeDequantization(dtype: DType) throws {
        let rows = (100 << 20) / dtype.byteCount / 2049
        let matrix = matrix(rows, 2049, format: .nf4, blockSize: 64, nested: false)
        let output = Device.tested.allocate(dtype, count: rows * 2049)
        #expect(try differencesFromReference(DequantizeFourBit(matrix, into: output), outputs: ["output": output]) == [])
    }

    @Test("Rows are gathered by index, a row outside the matrix as zeros", arguments: [(7, 64), (7, 33), (50, 100)])
    func gathering(rows: Int, columns: Int) throws {
        for nested in [false, true] {
            for dtype in [DType.float32, .bfloat16] {
                let matrix = matrix(rows, columns, format: .nf4, blockSize: 64, nested: nested)
                for indices in [
                    Device.tested.upload([3, 0, 6, -1, Int32(rows), 3], as: .int32), Device.tested.upload([Int64(5), 1, 1 << 40], as: .int64),
                ] {
                    let output = Device.tested.allocate(dtype, count: indices.count * columns)
                    #expect(try differencesFromReference(GatherFourBit(matrix, rows: indices, into: output), outputs: ["output": output]) == [])
                }
            }
        }
    }

    private func matrix(_ rows: Int, _ columns: Int, format: FourBitFormat, blockSize: Int, nested: Bool) -> FourBitMatrix {
        let device = Device.tested
        let count = rows * columns
        let packed = device.upload((0..<(count + 1) / 2).map { UInt8(truncatingIfNeeded: $0 &* 37 &+ $0 / 256) }, as: .uint8)
        let blocks = blockCount(count, blockSize: blockSize)
        let scales: FourBitMatrix.Scales
        if nested {
            let nestedBlocks = blockCount(blocks, blockSize: 256)
            scales = .nested(
                codes: device.upload((0..<blocks).map { UInt8(truncatingIfNeeded: $0 &* 59) }, as: .uint8),
                code: device.slice(QuantizeBlockwiseTests.decades), absmax: device.slice(HostileFloats.ordinary(count: nestedBlocks, seed: 3)),
                offset: device.slice([0.0872]), blockSize: 256)
        } else {
            let values = HostileFloats.special + HostileFloats.ordinary(count: 300, seed: 4)
            scales = .plain(device.slice((0..<blocks).map { values[$0 % values.count] }))
        }
        return FourBitMatrix(
            packed: packed, rows: rows, columns: columns, blockSize: blockSize, code: device.slice(format.values), scales: scales)
    }

    /// Every decision threshold of `format` with its neighbours, both signs, in blocks whose scale is exactly 1.
    private func thresholdsAndNeighbours(of format: FourBitFormat) -> [Float] {
        let sorted = format.values.sorted()
        let middles = zip(sorted, sorted.dropFirst()).map { ($0 + $1) * 0.5 }
        let limits: [Float] = [0.8333333, 0.583333, 0.4166667, 0.29166667, 0.20833333, 0.0859375, 0.00260417, 0]
        let candidates = (middles + limits + format.values).flatMap { [$0, $0.nextUp, $0.nextDown, -$0, -$0.nextUp, -$0.nextDown] }
        return stride(from: 0, to: candidates.count, by: 31).flatMap { [1] + candidates[$0..<min($0 + 31, candidates.count)] }
    }

    /// Blocks whose largest magnitude is so small that its inverse is infinite, or nearly.
    private var denormalBlocks: [Float] {
        [0x1p-149, 0x1p-140, 0x1p-128, 0x1.00001p-128, 0x1p-127, 0x1p-126].flatMap { scale in
            (0..<64).map { i in (Float(i) - 31) / 32 * scale }
        }
    }

    private func differences(_ input: Slice, format: FourBitFormat, blockSize: Int) throws -> [String] {
        let device = input.device
        let packed = device.allocate(.uint8, count: (input.count + 1) / 2)
        let absmax = device.allocate(.float32, count: blockCount(input.count, blockSize: blockSize))
        let nonFinite = device.allocate(.int64, count: 1)
        let kernel = QuantizeFourBit(input, format: format, blockSize: blockSize, packed: packed, absmax: absmax, nonFiniteCount: nonFinite)
        return try differencesFromReference(kernel, outputs: ["packed": packed, "absmax": absmax, "count": nonFinite])
    }
}
