import BitsKernels
import Testing
import _BitsTestSupport

@Suite("Matrix products")
struct MatrixProductTests {
    static let floats: [DType] = [.float32, .float16, .bfloat16]

    /// M, N, K around the sizes of tiles (6, 12, 16, 32), panels (96), chunks of k (256 to 1024) and blocks (512), and far below them.
    static let shapes = [
        (1, 1, 1), (2, 3, 5), (7, 9, 33), (16, 16, 16), (1, 100, 64), (100, 1, 65), (5, 70, 130), (8, 40, 17), (9, 9, 300), (12, 33, 31),
        (13, 97, 1100), (40, 16, 530), (16, 70, 300), (97, 18, 64), (530, 8, 20), (33, 545, 24),
    ]

    @Test("Every orientation agrees with the reference", arguments: [false, true], [false, true])
    func orientations(transposesA: Bool, transposesB: Bool) throws {
        for (index, (m, n, k)) in MatrixProductTests.shapes.enumerated() {
            for precision in ProductPrecision.allCases {
                // Types, bias and accumulation vary with the shape; `types` below takes them all.
                let product = ProductCase(
                    m: m, n: n, k: k, transposesA: transposesA, transposesB: transposesB, aType: MatrixProductTests.floats[index % 3],
                    bType: MatrixProductTests.floats[(index + 1) % 3], outputType: .float32, biasType: index % 2 == 0 ? .float32 : nil,
                    accumulates: index % 3 == 0, gap: index % 4 == 1 ? 5 : 0, precision: precision)
                let deviations = try product.deviations()
                #expect(deviations == [])
            }
        }
    }

    @Test("Every mix of types agrees with the reference", arguments: floats, floats)
    func types(aType: DType, bType: DType) throws {
        for outputType in MatrixProductTests.floats {
            for biasType in [nil] + MatrixProductTests.floats.map(Optional.some) {
                for (m, n, k) in [(3, 20, 50), (19, 37, 70)] {
                    for accumulates in [false, true] {
                        for transposesB in [false, true] {
                            // What is bfloat16 throughout has ways of its own.
                            for precision in outputType == .bfloat16 ? [ProductPrecision.float32, .bfloat16] : [.float32] {
                                let product = ProductCase(
                                    m: m, n: n, k: k, transposesA: accumulates, transposesB: transposesB, aType: aType, bType: bType,
                                    outputType: outputType, biasType: biasType, accumulates: accumulates, gap: 0, precision: precision)
                                let deviations = try product.deviations()
                                #expect(deviations == [])
                            }
                        }
                    }
                }
            }
        }
    }

    @Test("An empty sum is the bias, or what was there; an empty result is left alone")
    func emptySizes() throws {
        for (m, n, k) in [(0, 5, 5), (5, 0, 5), (5, 5, 0), (1, 20, 0), (40, 40, 0), (0, 0, 0)] {
            for accumulates in [false, true] {
                for precision in ProductPrecision.allCases {
                    let product = ProductCase(
                        m: m, n: n, k: k, transposesA: false, transposesB: true, aType: .float32, bType: .bfloat16, outputType: .float32,
                        biasType: .float32, accumulates: accumulates, gap: 0, precision: precision)
                    let deviations = try product.deviations()
                    #expect(deviations == [])
                }
            }
        }
    }

    @Test("The error stays below that of any order of float32 sums, also where terms cancel", arguments: ProductPrecision.allCases)
    func errorBound(precision: ProductPrecision) throws {
        let (m, n, k) = (21, 40, 1500)
        let a = HostileFloats.ordinary(count: m * k, seed: 1).enumerated().map { (i, x) in x * (i % 7 == 0 ? 1000 : 1) }
        let b = HostileFloats.ordinary(count: n * k, seed: 2).enumerated().map { (i, x) in x + (i % 5 == 0 ? 30 : 0) }
        let (x, y) = (precision.operands(a), precision.operands(b))
        let output = Device.tested.output(.float32, count: m * n)
        let kernel = MatrixProduct(
            Device.tested.input(a), Device.tested.input(b), into: output, m: m, n: n, k: k, transposesB: true, precision: precision)
        try ProcessorConditions.forEach { condition in
            Device.tested.run(kernel)
            let found = try output.downloadFloats()
            for i in 0..<m {
                for j in 0..<n {
                    var (sum, size) = (0.0, 0.0)
                    for t in 0..<k {
                        let term = Double(x[i * k + t]) * Double(y[j * k + t])
                        sum += term
                        size += abs(term)
                    }
                    #expect(abs(Double(found[i * n + j]) - sum) <= Double(k + 1) * 0x1p-24 * size, "[\(i), \(j)], \(condition)")
                }
            }
        }
    }

    @Test("A NaN or an infinity stays in its row; numbers beside the operands play no part", arguments: ProductPrecision.allCases)
    func isolation(precision: ProductPrecision) throws {
        for (m, n, k) in [(3, 40, 33), (20, 35, 65)] {
            var a = HostileFloats.ordinary(count: m * (k + 3), seed: 3)
            for row in 0..<m { for column in k..<k + 3 { a[row * (k + 3) + column] = .nan } }
            a[0] = .nan
            a[k + 3] = .infinity
            let b = [Float](repeating: 1, count: n * k)
            let output = Device.tested.output(.float32, count: m * n)
            let kernel = MatrixProduct(
                Device.tested.input(a), Device.tested.input(b), into: output, m: m, n: n, k: k, transposesB: true, aStride: k + 3,
                precision: precision)
            try ProcessorConditions.forEach { condition in
                Device.tested.run(kernel)
                let found = try output.downloadFloats()
                #expect(found[0..<n].allSatisfy { $0.isNaN }, "\(condition)")
                #expect(found[n..<2 * n].allSatisfy { $0 == .infinity }, "\(condition)")
                #expect(found[(2 * n)...].allSatisfy { $0.isFinite }, "\(condition)")
            }
        }
    }

    @Test("In float16 an operand of 65520 is infinite, one of 65519 is 65504, and small ones lose digits; sums have the range of float32")
    func float16Range() throws {
        let (a, expected): ([Float], [Float]) = (
            [65519, 65520, -1e30, 0x1p-24, 0x1.8p-25, 0x1p-26], [65504, .infinity, -.infinity, 0x1p-24, 0x1p-24, 0]
        )
        for rows in [1, 40] {
            let output = Device.tested.output(.float32, count: rows * a.count)
            let ones = Device.tested.slice([Float](repeating: 1, count: rows))
            let kernel = MatrixProduct(ones, Device.tested.slice(a), into: output, m: rows, n: a.count, k: 1, precision: .float16)
            try ProcessorConditions.forEach { condition in
                Device.tested.run(kernel)
                let found = try output.downloadFloats()
                #expect(Array(found.suffix(a.count)) == expected, "\(condition)")
            }
        }
        let large = Device.tested.slice([Float](repeating: 60_000, count: 64))
        let sum = Device.tested.output(.float32, count: 1)
        let narrow = Device.tested.output(.float16, count: 1)
        for output in [sum, narrow] { Device.tested.run(MatrixProduct(large, large, into: output, m: 1, n: 1, k: 64, precision: .float16)) }
        let (wide, infinite) = (try sum.downloadFloats(), try narrow.downloadFloats())
        #expect(abs(wide[0] / (64 * 3.6e9) - 1) < 1e-6 && infinite == [.infinity])  // sums are rounded on the way
    }

    @Test("A product that is repeated gives the same bits", arguments: ProductPrecision.allCases)
    func repeats(precision: ProductPrecision) throws {
        let (m, n, k) = (150, 200, 700)
        let output = Device.tested.output(.bfloat16, count: m * n)
        let kernel = MatrixProduct(
            Device.tested.input(HostileFloats.ordinary(count: m * k, seed: 5)), Device.tested.input(HostileFloats.ordinary(count: n * k, seed: 6)),
            into: output, m: m, n: n, k: k, precision: precision)
        try ProcessorConditions.forEach { condition in
            Device.tested.run(kernel)
            let first = try output.downloadBytes()
            for _ in 0..<5 {
                Device.tested.run(kernel)
                let again = try output.downloadBytes()
                #expect(again == first, "\(condition)")
            }
        }
    }
}

/// One product on operands of ordinary numbers, with NaN in the gaps between rows.
private struct ProductCase {
    var m: Int, n: Int, k: Int
    var transposesA: Bool, transposesB: Bool
    var aType: DType, bType: DType, outputType: DType
    var biasType: DType?
    var accumulates: Bool
    var gap: Int
    var precision: ProductPrecision

    func deviations() throws -> [String] {
        let (aStride, bStride) = ((transposesA ? m : k) + gap, (transposesB ? k : n) + gap)
        let output = Device.tested.output(outputType, count: m * n)
        if accumulates { DeviceMemory().store(HostileFloats.ordinary(count: m * n, seed: 9), to: output) }
        let kernel = MatrixProduct(
            operand(rows: transposesA ? k : m, width: transposesA ? m : k, seed: 1, as: aType),
            operand(rows: transposesB ? n : k, width: transposesB ? k : n, seed: 2, as: bType), into: output, m: m, n: n, k: k,
            transposesA: transposesA, transposesB: transposesB, aStride: aStride, bStride: bStride,
            bias: biasType.map { Device.tested.input(HostileFloats.ordinary(count: n, seed: 4), as: $0) }, accumulates: accumulates,
            precision: precision)
        // k numbers around 1 are added, each time rounding the sum so far, which grows like the root of k.
        let deviation = KernelOutput("output", output, absolute: 3e-7 * Float(k + 1), relative: 2e-7)
        return try deviationsFromReference(kernel, outputs: [deviation]).map {
            "[\(m), \(k)] · [\(k), \(n)], \(transposesA), \(transposesB), \(precision): \($0)"
        }
    }

    private func operand(rows: Int, width: Int, seed: UInt64, as dtype: DType) -> Slice {
        var values = HostileFloats.ordinary(count: rows * (width + gap), seed: seed)
        for row in 0..<rows { for column in width..<width + gap { values[row * (width + gap) + column] = .nan } }
        return Device.tested.input(values, as: dtype)
    }
}
