import BitsKernels
import Testing
import _BitsTestSupport

// Shapes: M = rows of the input, N = rows of the weight, K = columns of the weight.

@Suite("int8 products")
struct Int8ProductTests {
    /// Around the sizes of tiles (12, 16, 32), panels (96), chunks of k (1024), vectors (64), and groups of four.
    static let weights = [(1, 1), (3, 5), (64, 64), (33, 97), (40, 320), (70, 703), (37, 77), (5, 1100), (129, 192), (16, 2050), (4, 0)]
    static let rows = [0, 1, 2, 3, 5, 8, 9, 16, 17, 33, 65, 120]

    @Test("Products are exact", arguments: weights)
    func exact(weight: (n: Int, k: Int)) throws {
        let (n, k) = weight
        for m in Int8ProductTests.rows {
            let output = Device.tested.output(.int32, count: m * n)
            // Odd offsets, all 256 codes, and rows of the outermost ones.
            let kernel = Int8Product(codes(m, k, 1), codes(n, k, 2), into: output, m: m, n: n, k: k)
            #expect(try deviationsInBytes(kernel, output) == [], "M \(m)")
        }
    }

    @Test("Sums beyond int32 wrap around")
    func wrapping() throws {
        let k = 140_000
        let lowest = Device.tested.integers([Int](repeating: -128, count: 17 * k), as: .int8)
        for m in [1, 17] {
            let output = Device.tested.output(.int32, count: m)
            try ProcessorConditions.forEach { condition in
                Device.tested.run(Int8Product(lowest[0..<m * k], lowest[0..<k], into: output, m: m, n: 1, k: k))
                let found = try output.downloadIntegers()
                #expect(found == [Int](repeating: Int(Int32(truncatingIfNeeded: 16384 * k)), count: m), "\(condition)")
            }
        }
    }

    @Test("What products stand for is the reference's, to the bit", arguments: [DType.float32, .float16, .bfloat16])
    func rescaling(dtype: DType) throws {
        for (rows, columns) in [(0, 3), (3, 0), (1, 1), (5, 33), (70, 1000)] {
            let products = (0..<rows * columns).map { $0 * 7_654_321 % 40_000_000 - 20_000_000 }
            let output = Device.tested.output(dtype, count: rows * columns)
            for bias in [nil, Device.tested.input(HostileFloats.mixture(count: columns, seed: 3), as: dtype)] {
                let kernel = DequantizeInt8Product(
                    Device.tested.integers(products, as: .int32), rowScales: Device.tested.input(HostileFloats.mixture(count: rows, seed: 1)),
                    columnScales: Device.tested.input(HostileFloats.mixture(count: columns, seed: 2)), bias: bias, into: output)
                #expect(try deviationsFromReference(kernel, outputs: [KernelOutput("output", output)]) == [])
            }
        }
    }

    @Test("Quantized operands are multiplied and rescaled as one after the other would be, with outlier columns", arguments: weights)
    func scaled(weight: (n: Int, k: Int)) throws {
        let (n, k) = weight
        for (index, m) in Int8ProductTests.rows.enumerated() {
            let (from, to) = (MatrixProductTests.floats[index % 3], MatrixProductTests.floats[(index + index / 3) % 3])
            let output = Device.tested.output(to, count: m * n)
            let marks = Device.tested.integers((0..<k).map { $0 % 100 == 3 || index == 5 ? 1 : 0 }, as: .uint8)
            let outliers = Int8ScaledProduct.Outliers(Device.tested.input(HostileFloats.ordinary(count: m * k, seed: 6), as: from), columns: marks)
            let bias = index % 4 == 3 ? nil : Device.tested.input(HostileFloats.ordinary(count: n, seed: 7), as: from)
            for outliers in [nil, outliers] {
                let kernel = Int8ScaledProduct(matrix(m, k, 1), weight: matrix(n, k, 2), bias: bias, outliers: outliers, into: output)
                let allowed =
                    outliers == nil
                    ? KernelOutput("output", output) : KernelOutput("output", output, absolute: 1e-6 * Float(k + 1), relative: 1e-6)
                #expect(try deviationsFromReference(kernel, outputs: [allowed]) == [], "M \(m)")
            }
        }
    }

    @Test(
        "Products that occupy a whole GPU are those of small ones, with any number of outlier columns", .enabled(if: Device.tested != .cpu),
        arguments: [(960, 912, 48), (963, 1001, 320), (1024, 2201, 32), (1021, 3700, 16)], [0, 1, 17, 1000])
    func large(shape: (m: Int, n: Int, k: Int), outliers: Int) throws {
        let (m, n, k) = shape
        let count = min(outliers, k)
        for (index, to) in MatrixProductTests.floats.enumerated() {
            let from = MatrixProductTests.floats[(index + 1) % 3]
            let output = Device.tested.output(to, count: m * n)
            let marks = Device.tested.integers((0..<k).map { $0 * count / k < ($0 + 1) * count / k ? 1 : 0 }, as: .uint8)
            let outliers = Int8ScaledProduct.Outliers(Device.tested.input(HostileFloats.ordinary(count: m * k, seed: 6), as: from), columns: marks)
            let bias = index == 1 ? nil : Device.tested.input(HostileFloats.ordinary(count: n, seed: 7), as: from)
            let kernel = Int8ScaledProduct(
                matrix(m, k, 1, isAligned: true), weight: matrix(n, k, 2, isAligned: true), bias: bias, outliers: outliers, into: output)
            let allowed =
                count == 0 ? KernelOutput("output", output) : KernelOutput("output", output, absolute: 3e-6 * Float(k + 1), relative: 1e-6)
            #expect(try deviationsFromReference(kernel, outputs: [allowed]) == [], "\(to)")
        }
    }

    /// Integers beyond what a float holds exactly are compared as bytes.
    private func deviationsInBytes(_ kernel: Int8Product, _ output: Slice) throws -> [String] {
        try differencesFromReference(kernel, outputs: ["output": output]) + deviationsFromReference(kernel, outputs: [KernelOutput("output", output)])
    }

    private func codes(_ rows: Int, _ columns: Int, _ seed: UInt64, isAligned: Bool = false) -> Slice {
        var random = SplitMix(state: seed)
        let slice = isAligned ? Device.tested.allocate(.int8, count: rows * columns) : Device.tested.output(.int8, count: rows * columns)
        let values = (0..<rows * columns).map { i in i / max(columns, 1) % 5 == 4 ? -128 : Int(Int8(truncatingIfNeeded: random.next())) }
        DeviceMemory().store(values, to: slice)
        return slice
    }

    private func matrix(_ rows: Int, _ columns: Int, _ seed: UInt64, isAligned: Bool = false) -> Int8Matrix {
        let scales = Device.tested.input(HostileFloats.ordinary(count: rows, seed: seed + 10).map { abs($0) + 0.1 })
        return Int8Matrix(codes: codes(rows, columns, seed, isAligned: isAligned), scales: scales, columns: columns)
    }
}
