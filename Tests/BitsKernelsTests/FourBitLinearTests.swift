import BitsKernels
import Testing
import _BitsTestSupport

@Suite("4-bit linear layers")
struct FourBitLinearTests {
    /// N, K: rows and widths that are whole groups of codes and that are not, odd ones, and more than one chunk of k.
    static let weights = [(1, 1), (3, 5), (64, 64), (33, 96), (40, 320), (70, 704), (37, 77), (5, 1100), (129, 192)]
    /// M: one row, few, a panel, several, and enough for the weight to be transposed.
    static let rows = [0, 1, 2, 3, 5, 8, 9, 16, 17, 24, 33, 120]

    @Test("The product agrees with the reference for plain and nested scales", arguments: weights, ProductPrecision.allCases)
    func forward(weight: (n: Int, k: Int), precision: ProductPrecision) throws {
        let (n, k) = weight
        for (index, m) in FourBitLinearTests.rows.enumerated() {
            let dtype = MatrixProductTests.floats[index % 3]
            let matrix = Self.fourBitMatrix(n, k, blockSize: [64, 32, 128, 4096, 64, 256][index % 6], nested: index % 2 == 0)
            let output = Device.tested.output(MatrixProductTests.floats[(index + index / 3) % 3], count: m * n)
            let bias = index % 4 == 3 ? nil : Device.tested.input(HostileFloats.ordinary(count: n, seed: 7), as: dtype)
            let kernel = FourBitLinear(
                Device.tested.input(HostileFloats.ordinary(count: m * k, seed: 6), as: dtype), weight: matrix, bias: bias, into: output,
                precision: precision)
            let deviations = try deviationsFromReference(kernel, outputs: [tolerance(output, terms: k, precision)])
            #expect(deviations == [], "M \(m)")
        }
    }

    @Test("The gradient for the input agrees with the reference", arguments: weights, ProductPrecision.allCases)
    func inputGradient(weight: (n: Int, k: Int), precision: ProductPrecision) throws {
        let (n, k) = weight
        for (index, m) in FourBitLinearTests.rows.enumerated() {
            let dtype = MatrixProductTests.floats[index % 3]
            let matrix = Self.fourBitMatrix(n, k, blockSize: [64, 32, 128, 4096, 64, 256][index % 6], nested: index % 2 == 1)
            let output = Device.tested.output(dtype, count: m * k)
            let kernel = FourBitLinearInputGradient(
                Device.tested.input(HostileFloats.ordinary(count: m * n, seed: 8), as: dtype), weight: matrix, into: output, precision: precision)
            let deviations = try deviationsFromReference(kernel, outputs: [tolerance(output, terms: n, precision)])
            #expect(deviations == [], "M \(m)")
        }
    }

    @Test(
        "Every block size is read, where blocks end inside rows too", arguments: [32, 64, 128, 192, 256, 512, 1024, 2048, 4096],
        ProductPrecision.allCases)
    func blockSizes(blockSize: Int, precision: ProductPrecision) throws {
        for (n, k) in [(50, 192), (24, 100), (6, 2048)] {
            for nested in [false, true] {
                let matrix = Self.fourBitMatrix(n, k, blockSize: blockSize, nested: nested)
                for m in [1, 4, 16, 40] {
                    let output = Device.tested.output(.float32, count: m * n)
                    let kernel = FourBitLinear(
                        Device.tested.input(HostileFloats.ordinary(count: m * k, seed: 1)), weight: matrix, bias: nil, into: output,
                        precision: precision)
                    let deviations = try deviationsFromReference(kernel, outputs: [tolerance(output, terms: k, precision)])
                    #expect(deviations == [], "[\(m), \(k)] · [\(n), \(k)]ᵀ")
                }
            }
        }
    }

    @Test("One row's product has the same bits however many threads share the weight", arguments: [513, 700, 2049], ProductPrecision.allCases)
    func threads(n: Int, precision: ProductPrecision) throws {
        let k = 192
        let matrix = Self.fourBitMatrix(n, k, blockSize: 64, nested: true, on: .cpu)
        let input = Device.cpu.input(HostileFloats.ordinary(count: k, seed: 3))
        var expected: [Float]?
        for threads in 1...4 {
            try ProcessorConditions.with(threads: threads) {
                let output = Device.cpu.output(.float32, count: n)
                Device.cpu.run(FourBitLinear(input, weight: matrix, bias: nil, into: output, precision: precision))
                let found = try output.downloadFloats()
                #expect(found == expected ?? found, "\(threads) threads")
                expected = found
            }
        }
    }

    @Test("One-hot input reads the weight itself, to the bit", arguments: ProductPrecision.allCases)
    func oneHot(precision: ProductPrecision) throws {
        let (n, k) = (19, 128)
        let matrix = Self.fourBitMatrix(n, k, blockSize: 64, nested: true)
        let dequantized = Device.tested.allocate(precision.dtype, count: n * k)
        Device.tested.run(DequantizeFourBit(matrix, into: dequantized))
        let weight = try dequantized.downloadFloats()
        let identity = (0..<k * k).map { Float($0 / k == $0 % k ? 1 : 0) }
        for rows in [1, 3, 16, 128] {
            let output = Device.tested.allocate(.float32, count: rows * n)
            let input = Device.tested.slice(Array(identity[0..<rows * k]))
            let kernel = FourBitLinear(input, weight: matrix, bias: nil, into: output, precision: precision)
            try ProcessorConditions.forEach { condition in
                Device.tested.run(kernel)
                let found = try output.downloadFloats()
                let expected = (0..<rows * n).map { weight[$0 % n * k + $0 / n] }
                let isRead = zip(found, expected).allSatisfy { abs($0 - $1) <= codeRounding(precision) * abs($1) }
                #expect(isRead, "\(rows) rows, \(condition)")
            }
        }
    }

    private func tolerance(_ output: Slice, terms: Int, _ precision: ProductPrecision) -> KernelOutput {
        // Terms are mostly below 4, and roundings go up as often as down.
        let rounding = 4 * codeRounding(precision) * Float(terms).squareRoot()
        return KernelOutput("output", output, absolute: 3e-7 * Float(terms + 1) + rounding, relative: 2e-7)
    }

    @Test("A product sees what was written to its weight right before, however often that is", arguments: [1, 5, 16])
    func writtenBefore(rows M: Int) throws {
        let device = Device.tested
        // On a GPU large enough for the weight to be still on its way as the product is launched.
        let (N, K) = device == .cpu ? (32, 256) : (8192, 4096)
        let weight = FourBitMatrix(
            packed: device.allocate(.uint8, count: N * K / 2), rows: N, columns: K, blockSize: 64, code: device.input(FourBitFormat.nf4.values),
            scales: .plain(device.allocate(.float32, count: N * K / 64)))
        let input = device.input(HostileFloats.ordinary(count: M * K, seed: 1), as: .bfloat16)
        let values = (0..<2).map { device.input(HostileFloats.ordinary(count: N * K, seed: UInt64(2 + $0)), as: .bfloat16) }
        func product(with values: Slice) -> Slice {
            let output = device.allocate(.bfloat16, count: M * N)
            guard case .plain(let absmax) = weight.scales else { return output }
            device.run(QuantizeFourBit(values, format: .nf4, blockSize: 64, packed: weight.packed, absmax: absmax))
            device.run(FourBitLinear(input, weight: weight, bias: nil, into: output, precision: .bfloat16))
            return output
        }
        let expected = try values.map { try product(with: $0).downloadBytes() }
        try #require(expected[0] != expected[1])
        let outputs = (0..<100).map { product(with: values[$0 * $0 % 3 % 2]) }
        for (index, output) in outputs.enumerated() { #expect(try output.downloadBytes() == expected[index * index % 3 % 2], "\(index)") }
    }

    /// How far apart weights may be, in their own units, where a device rounds codes instead of weights; the processor rounds weights.
    private func codeRounding(_ precision: ProductPrecision) -> Float {
        switch precision {
        case .float32: 0
        case _ where Device.tested == .cpu: 0
        case .float16: 0x1p-10
        case .bfloat16: 0x1p-7
        }
    }

    static func fourBitMatrix(_ rows: Int, _ columns: Int, blockSize: Int, nested: Bool, on device: Device = .tested) -> FourBitMatrix {
        let count = rows * columns
        let blocks = blockCount(count, blockSize: blockSize)
        var random = SplitMix(state: UInt64(count + blockSize))
        let scales: FourBitMatrix.Scales =
            nested
            ? .nested(
                codes: device.upload((0..<blocks).map { _ in UInt8(truncatingIfNeeded: random.next()) }, as: .uint8),
                code: device.input((0..<256).map { Float($0 - 128) / 128 }),
                absmax: device.input((0..<blockCount(blocks, blockSize: 16)).map { _ in random.uniform() }), offset: device.input([1.25]),
                blockSize: 16)
            : .plain(device.input((0..<blocks).map { _ in random.uniform() + 0.5 }))
        return FourBitMatrix(
            packed: device.upload((0..<(count + 1) / 2).map { _ in UInt8(truncatingIfNeeded: random.next()) }, as: .uint8), rows: rows,
            columns: columns, blockSize: blockSize, code: device.input(FourBitFormat.nf4.values), scales: scales)
    }
}
