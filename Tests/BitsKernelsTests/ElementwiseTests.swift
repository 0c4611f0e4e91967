import BitsKernels
import Testing
import _BitsTestSupport

@Suite("Elementwise kernels")
struct ElementwiseTests {
    static let floats: [DType] = [.float32, .float16, .bfloat16]

    @Test(
        "Binary operations have the reference's bits, for every mix of types, also on hostile numbers",
        arguments: BinaryElementwise.Operation.allCases)
    func binary(operation: BinaryElementwise.Operation) throws {
        for (a, b, c) in [
            (DType.float32, DType.float32, DType.float32), (.bfloat16, .bfloat16, .bfloat16), (.float16, .float16, .float16),
            (.float32, .bfloat16, .float16), (.float16, .float32, .bfloat16),
        ] {
            for count in [0, 1, 15, 16, 17, 100, 8191, 20_011] {
                let lhs = Device.tested.input(HostileFloats.mixture(count: count, seed: 1), as: a)
                let rhs = Device.tested.input(HostileFloats.mixture(count: count, seed: 2), as: b)
                let output = Device.tested.output(c, count: count)
                let kernel = BinaryElementwise(
                    operation, StridedSlice(contiguous: lhs, shape: [count]), StridedSlice(contiguous: rhs, shape: [count]), into: output)
                #expect(try deviationsFromReference(kernel, outputs: [KernelOutput("output", output)]) == [])
            }
        }
    }

    @Test("Operands repeat along broadcast axes and may be transposed", arguments: floats)
    func broadcast(dtype: DType) throws {
        let shape = [3, 5, 4, 37]
        let a = Device.tested.input(HostileFloats.ordinary(count: 3 * 5 * 4 * 37, seed: 1), as: dtype)
        let strides: [[Int]] = [
            rowMajorStrides(shape), [0, 0, 0, 1], [20, 4, 1, 0], [0, 0, 0, 0], [37, 0, 111, 1], [1, 3, 15, 60], [740, 148, 1, 4],
        ]
        for left in strides {
            for right in strides {
                let output = Device.tested.output(dtype, count: 3 * 5 * 4 * 37)
                let kernel = BinaryElementwise(
                    .subtract, StridedSlice(a, shape: shape, strides: left), StridedSlice(a, shape: shape, strides: right), into: output)
                #expect(try deviationsFromReference(kernel, outputs: [KernelOutput("output", output)]) == [])
            }
        }
    }

    @Test("Terms are added in their order, also where the sum takes the place of one of them", arguments: floats)
    func terms(dtype: DType) throws {
        for (terms, count) in [(1, 17), (2, 1), (3, 1023), (3, 1025), (8, 20_011), (5, 0)] {
            let slices = (0..<terms).map {
                Device.tested.input(HostileFloats.mixture(count: count, seed: UInt64($0)), as: Self.floats[$0 % Self.floats.count])
            }
            let output = Device.tested.output(dtype, count: count)
            #expect(try deviationsFromReference(SumOfTerms(slices, into: output), outputs: [KernelOutput("output", output)]) == [])
        }
        for place in 0..<3 {
            let slices = [1e8, 1, -1e8].map { Device.tested.input([Float](repeating: $0, count: 1030), as: .float32) }
            #expect(try deviationsFromReference(SumOfTerms(slices, into: slices[place]), outputs: [KernelOutput("sum", slices[place])]) == [])
        }
    }

    @Test("Scaling rounds after the product and after the sum", arguments: floats)
    func scaleAndShift(dtype: DType) throws {
        for count in [0, 1, 33, 50_003] {
            let input = Device.tested.input(HostileFloats.mixture(count: count, seed: 3), as: dtype)
            let output = Device.tested.output(dtype, count: count)
            let kernel = ScaleAndShift(input, scale: 1.1, shift: -0.3, into: output)
            #expect(try deviationsFromReference(kernel, outputs: [KernelOutput("output", output)]) == [])
        }
    }

    @Test("Functions are within a few units in the last place", arguments: UnaryElementwise.Operation.allCases, floats)
    func unary(operation: UnaryElementwise.Operation, dtype: DType) throws {
        for count in [0, 1, 17, 9001] {
            let values = HostileFloats.ordinary(count: count, seed: 4).map { 3 * $0 } + values(for: operation)
            let input = Device.tested.input(values, as: dtype)
            let output = Device.tested.output(dtype, count: values.count)
            let kernel = UnaryElementwise(operation, input, into: output)
            #expect(try deviationsFromReference(kernel, outputs: [KernelOutput("output", output, absolute: 1e-6, relative: 6e-7)]) == [])
        }
    }

    @Test("exp, log, tanh, square root and reciprocals keep their relative error everywhere")
    func relativeError() throws {
        for operation in [UnaryElementwise.Operation.exponential, .logarithm, .tanh, .squareRoot, .reciprocalSquareRoot, .reciprocal, .square] {
            let values = HostileFloats.mixture(count: 20_000, seed: 5) + stride(from: Float(-110), to: 110, by: 0.0078125)
            let input = Device.tested.input(values)
            let output = Device.tested.output(.float32, count: values.count)
            // 1.5e-7 is a little over one unit in the last place; the smallest number is the unit of denormal results.
            let expected = KernelOutput("output", output, absolute: .leastNonzeroMagnitude, relative: 1.5e-7)
            #expect(try deviationsFromReference(UnaryElementwise(operation, input, into: output), outputs: [expected]) == [])
        }
    }

    @Test("Slopes are the reference's", arguments: UnaryElementwise.Operation.allCases, floats)
    func slopes(operation: UnaryElementwise.Operation, dtype: DType) throws {
        for count in [0, 1, 17, 9001] {
            let values = HostileFloats.ordinary(count: count, seed: 6).map { operation.needsPositive ? abs($0) + 0.1 : 2 * $0 + 0.01 }
            let input = Device.tested.input(values, as: dtype)
            let gradient = Device.tested.input(HostileFloats.ordinary(count: count, seed: 7), as: dtype)
            let output = Device.tested.output(dtype, count: count)
            let kernel = UnaryElementwiseGradient(operation, input: input, outputGradient: gradient, into: output)
            #expect(try deviationsFromReference(kernel, outputs: [KernelOutput("gradient", output, absolute: 4e-6, relative: 2e-6)]) == [])
        }
    }

    @Test("The reference's slopes agree with differences of its values", arguments: UnaryElementwise.Operation.allCases)
    func differences(operation: UnaryElementwise.Operation) {
        for x in [-3.7, -1.2, -0.6, -0.01, 0.02, 0.4, 1.1, 2.9, 12] as [Double] where x > 0 || !operation.needsPositive {
            let h = 1e-5
            let difference = (operation(x + h) - operation(x - h)) / (2 * h)
            #expect(abs(operation.slope(at: x) - difference) <= 1e-5 * max(1, abs(difference)))
        }
    }

    @Test("Gated activations and their gradients", arguments: [UnaryElementwise.Operation.silu, .gelu, .geluTanh, .relu], floats)
    func gated(activation: UnaryElementwise.Operation, dtype: DType) throws {
        for count in [0, 1, 31, 16_001] {
            let gate = Device.tested.input(HostileFloats.ordinary(count: count, seed: 8).map { 2 * $0 } + [0, -0.0, 3e4, -3e4], as: dtype)
            let up = Device.tested.input(HostileFloats.ordinary(count: count + 4, seed: 9), as: dtype)
            let gradient = Device.tested.input(HostileFloats.ordinary(count: count + 4, seed: 10), as: dtype)
            let output = Device.tested.output(dtype, count: count + 4)
            let dGate = Device.tested.output(.float32, count: count + 4)
            let dUp = Device.tested.output(dtype, count: count + 4)
            #expect(
                try deviationsFromReference(
                    GatedActivation(activation, gate: gate, up: up, into: output),
                    outputs: [KernelOutput("output", output, absolute: 4e-6, relative: 1e-6)]) == [])
            #expect(
                try deviationsFromReference(
                    GatedActivationGradient(activation, gate: gate, up: up, outputGradient: gradient, gateGradient: dGate, upGradient: dUp),
                    outputs: [
                        KernelOutput("gate gradient", dGate, absolute: 8e-6, relative: 1e-6),
                        KernelOutput("up gradient", dUp, absolute: 4e-6, relative: 1e-6),
                    ]) == [])
        }
    }

    /// Ends of the range on which the functions still have a definite limit.
    private func values(for operation: UnaryElementwise.Operation) -> [Float] {
        let all: [Float] = [0, -0.0, 1e-30, -1e-30, .leastNonzeroMagnitude, 88, -88, 1e4, -1e4, .nan]
        switch operation {
        case .silu, .gelu, .geluTanh: return all
        default: return all + [.infinity, -.infinity, 1e30, -1e30]
        }
    }
}

extension UnaryElementwise.Operation {
    fileprivate var needsPositive: Bool {
        switch self {
        case .logarithm, .squareRoot, .reciprocalSquareRoot, .reciprocal: true
        default: false
        }
    }
}
