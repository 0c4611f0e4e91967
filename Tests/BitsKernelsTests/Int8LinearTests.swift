import BitsKernels
import Testing
import _BitsTestSupport

// Shapes: M = rows of the input, N = rows of the weight, K = columns of the weight.

@Suite("int8 linear layers")
struct Int8LinearTests {
    static let weights = Int8ProductTests.weights
    static let rows = Int8ProductTests.rows

    @Test("The layer agrees with the reference, to the bit where there are no outliers", arguments: weights)
    func forward(weight: (n: Int, k: Int)) throws {
        let (n, k) = weight
        for (index, m) in Int8LinearTests.rows.enumerated() {
            let (from, to) = (MatrixProductTests.floats[index % 3], MatrixProductTests.floats[(index + index / 3) % 3])
            let input = Device.tested.input(HostileFloats.ordinary(count: m * k, seed: 1), as: from)
            let bias = index % 4 == 3 ? nil : Device.tested.input(HostileFloats.ordinary(count: n, seed: 2), as: from)
            for threshold: Float in [0, 2.5, 0.01] {
                let output = Device.tested.output(to, count: m * n)
                let kernel = Int8Linear(input, weight: matrix(n, k), bias: bias, threshold: threshold, into: output, m: m)
                let allowed =
                    threshold == 0
                    ? KernelOutput("output", output) : KernelOutput("output", output, absolute: 1e-6 * Float(k + 1), relative: 1e-6)
                #expect(try deviationsFromReference(kernel, outputs: [allowed]) == [], "M \(m), threshold \(threshold)")
            }
        }
    }

    @Test("Rows with NaN and infinities come out as the reference has them", arguments: [Float(0), 6])
    func nonFinite(threshold: Float) throws {
        // And a product that occupies a whole GPU, where there is one.
        for (m, n, k) in [(1, 21, 130), (4, 21, 130), (20, 21, 130)] + (Device.tested == .cpu ? [] : [(1030, 900, 144)]) {
            var values = HostileFloats.ordinary(count: m * k, seed: 3)
            values[7] = .nan
            values[(m - 1) * k + 9] = .infinity
            values[m / 2 * k + 11] = -.infinity
            values[m / 3 * k + 12] = 1e30
            let output = Device.tested.output(.float32, count: m * n)
            let kernel = Int8Linear(Device.tested.input(values), weight: matrix(n, k), threshold: threshold, into: output, m: m)
            #expect(try deviationsFromReference(kernel, outputs: [KernelOutput("output", output, absolute: 1e-4, relative: 1e-6)]) == [], "M \(m)")
        }
    }

    @Test("The gradient for the input agrees with the reference", arguments: weights, ProductPrecision.allCases)
    func inputGradient(weight: (n: Int, k: Int), precision: ProductPrecision) throws {
        let (n, k) = weight
        for (index, m) in Int8LinearTests.rows.enumerated() {
            let dtype = precision == .bfloat16 ? DType.bfloat16 : MatrixProductTests.floats[index % (precision == .float16 ? 3 : 2)]
            let output = Device.tested.output(dtype, count: m * k)
            let kernel = Int8LinearInputGradient(
                Device.tested.input(HostileFloats.ordinary(count: m * n, seed: 4), as: dtype), weight: matrix(n, k), into: output, m: m,
                precision: precision)
            let allowed = KernelOutput("input gradient", output, absolute: 6e-7 * Float(n + 1), relative: 2e-7)
            #expect(try deviationsFromReference(kernel, outputs: [allowed]) == [], "M \(m)")
        }
    }

    @Test("The gradient for the weight agrees with the reference", arguments: weights)
    func weightGradient(weight: (n: Int, k: Int)) throws {
        let (n, k) = weight
        for (index, m) in Int8LinearTests.rows.enumerated() {
            let (from, to) = (MatrixProductTests.floats[index % 3], MatrixProductTests.floats[(index + index / 3) % 3])
            let input = Device.tested.input(HostileFloats.ordinary(count: m * k, seed: 5), as: from)
            for threshold: Float in [0, 2.5] {
                let output = Device.tested.output(to, count: n * k)
                let kernel = Int8LinearWeightGradient(
                    Device.tested.input(HostileFloats.ordinary(count: m * n, seed: 6), as: from), input: input, threshold: threshold, into: output,
                    m: m,
                    n: n, k: k)
                let allowed =
                    threshold == 0
                    ? KernelOutput("weight gradient", output)
                    : KernelOutput("weight gradient", output, absolute: 3e-7 * Float(m + 1), relative: 2e-7)
                #expect(try deviationsFromReference(kernel, outputs: [allowed]) == [], "M \(m), threshold \(threshold)")
            }
        }
    }

    @Test("A gradient or input with NaN gives NaN where it reaches")
    func weightGradientOfNaN() throws {
        let (m, n, k) = (6, 5, 40)
        var (dy, x) = (HostileFloats.ordinary(count: m * n, seed: 7), HostileFloats.ordinary(count: m * k, seed: 8))
        dy[2 * n + 3] = .nan
        x[4 * k + 17] = .infinity
        for threshold: Float in [0, 2] {
            let output = Device.tested.output(.float32, count: n * k)
            let kernel = Int8LinearWeightGradient(
                Device.tested.input(dy), input: Device.tested.input(x), threshold: threshold, into: output, m: m, n: n, k: k)
            #expect(try deviationsFromReference(kernel, outputs: [KernelOutput("gradient", output, absolute: 2e-6, relative: 1e-6)]) == [])
            let found = try output.downloadFloats()
            #expect((0..<k).allSatisfy { found[3 * k + $0].isNaN })
            #expect((0..<n).allSatisfy { !found[$0 * k + 17].isFinite })
            #expect(found[0].isFinite)
        }
    }

    private func matrix(_ rows: Int, _ columns: Int) -> Int8Matrix {
        var random = SplitMix(state: UInt64(rows + columns))
        let codes = Device.tested.output(.int8, count: rows * columns)
        DeviceMemory().store((0..<rows * columns).map { _ in Int(random.next() % 255) - 127 }, to: codes)
        let scales = Device.tested.input((0..<rows).map { _ in random.uniform() + 0.1 })
        return Int8Matrix(codes: codes, scales: scales, columns: columns)
    }
}
