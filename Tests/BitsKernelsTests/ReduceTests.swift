import BitsKernels
import Testing
import _BitsTestSupport

@Suite("Reductions and softmax")
struct ReduceTests {
    static let floats: [DType] = [.float32, .float16, .bfloat16]

    @Test("Sums, means, maxima and sums of squares along any axis", arguments: Reduce.Operation.allCases, floats)
    func reduce(operation: Reduce.Operation, dtype: DType) throws {
        let shapes = [
            (1, 1, 1), (1, 0, 1), (3, 0, 5), (0, 4, 2), (1, 17, 1), (5, 1000, 1), (1, 200_000, 1), (2, 70_001, 1), (1, 400, 33), (3, 31, 70),
            (1, 1500, 704), (7, 2, 1), (2, 3, 16),
        ]
        for (outer, axis, inner) in shapes {
            let values = HostileFloats.ordinary(count: outer * axis * inner, seed: 1)
            let input = Device.tested.input(values, as: dtype)
            let output = Device.tested.output(.float32, count: outer * inner)
            let kernel = Reduce(operation, input, outer: outer, axis: axis, inner: inner, into: output)
            // A random sum of n numbers near 1 is near sqrt(n), its rounding error a few times 6e-8 of that.
            let allowed = operation == .maximum ? KernelOutput("output", output) : KernelOutput("output", output, absolute: 3e-5, relative: 2e-6)
            #expect(try deviationsFromReference(kernel, outputs: [allowed]) == [], "\(outer) x \(axis) x \(inner)")
        }
    }

    @Test("Results are rounded to the output's type", arguments: floats)
    func rounding(dtype: DType) throws {
        for (outer, axis, inner) in [(5, 100, 1), (1, 100, 40)] {
            let input = Device.tested.input(HostileFloats.ordinary(count: outer * axis * inner, seed: 2))
            let output = Device.tested.output(dtype, count: outer * inner)
            let kernel = Reduce(.sum, input, outer: outer, axis: axis, inner: inner, into: output)
            #expect(try deviationsFromReference(kernel, outputs: [KernelOutput("output", output, absolute: 1e-5)]) == [])
        }
    }

    @Test("The maximum is NaN where an element is, wherever it stands")
    func maximumOfNaN() throws {
        for position in [0, 3, 16, 39, 40] {
            for (axis, inner) in [(41, 1), (41, 5)] {
                var values = [Float](repeating: 1, count: axis * inner)
                values[position * inner] = .nan
                let output = Device.tested.output(.float32, count: inner)
                let kernel = Reduce(.maximum, Device.tested.input(values), outer: 1, axis: axis, inner: inner, into: output)
                #expect(try deviationsFromReference(kernel, outputs: [KernelOutput("output", output)]) == [])
            }
        }
    }

    @Test("Argmax is the first of the largest; NaN is smallest", arguments: floats)
    func argMax(dtype: DType) throws {
        let rows: [[Float]] = [
            [1, 2, 3, 3, 2], [.nan, 1, 2, .nan, 2], [.nan, .nan, .nan, .nan, .nan], [-.infinity, -.infinity, -.infinity, -.infinity, -.infinity],
            [.nan, -.infinity, .nan, -.infinity, .nan], [-1, -0.0, 0, -5, .infinity], [.infinity, .infinity, .nan, 1, 2],
        ]
        for (values, count) in [(rows.flatMap { $0 }, rows.count), (HostileFloats.mixture(count: 3 * 10_007, seed: 3), 3), ([], 0)] {
            for indices in [DType.int32, .int64] {
                let output = Device.tested.output(indices, count: count)
                let kernel = ArgMax(Device.tested.input(values, as: dtype), rows: count, into: output)
                #expect(try deviationsFromReference(kernel, outputs: [KernelOutput("output", output)]) == [])
            }
        }
    }

    @Test("Softmax and its gradient", arguments: floats)
    func softmax(dtype: DType) throws {
        for (rows, width) in [(0, 5), (1, 1), (3, 16), (7, 33), (40, 1000), (2, 40_000)] {
            let input = Device.tested.input(HostileFloats.ordinary(count: rows * width, seed: 4).map { 4 * $0 }, as: dtype)
            let output = Device.tested.output(dtype, count: rows * width)
            #expect(
                try deviationsFromReference(
                    Softmax(input, width: width, into: output), outputs: [KernelOutput("output", output, absolute: 1e-9, relative: 2e-6)]) == [])
            let gradient = Device.tested.input(HostileFloats.ordinary(count: rows * width, seed: 5), as: dtype)
            let result = Device.tested.output(dtype, count: rows * width)
            let kernel = SoftmaxGradient(output: output, outputGradient: gradient, width: width, into: result)
            #expect(try deviationsFromReference(kernel, outputs: [KernelOutput("gradient", result, absolute: 1e-6, relative: 2e-6)]) == [])
        }
    }

    @Test("Softmax takes far and infinite scores, and its input may be its output")
    func softmaxExtremes() throws {
        let values: [Float] = [1e30, 0, -1e30, -.infinity, 3, -.infinity, -.infinity, 100, 200, 300, -100, 0]
        let slice = Device.tested.input(values)
        #expect(try deviationsFromReference(Softmax(slice, width: 4, into: slice), outputs: [KernelOutput("output", slice, absolute: 1e-7)]) == [])
    }

    @Test("The reference's gradient of softmax agrees with differences of its values")
    func softmaxDifferences() throws {
        let point = HostileFloats.ordinary(count: 14, seed: 6)
        let weights = HostileFloats.ordinary(count: 14, seed: 7)
        let memory = DeviceMemory()
        let output = Device.tested.allocate(.float32, count: 14)
        let expected = finiteDifferences(at: point) { x in
            Softmax(Device.tested.slice(x), width: 7, into: output).reference(memory)
            return zip(memory.floats(output), weights).reduce(0) { $0 + Double($1.0) * Double($1.1) }
        }
        Softmax(Device.tested.slice(point), width: 7, into: output).reference(memory)
        let gradient = Device.tested.allocate(.float32, count: 14)
        SoftmaxGradient(output: output, outputGradient: Device.tested.slice(weights), width: 7, into: gradient).reference(memory)
        #expect(largestDifference(memory.floats(gradient), from: expected) < 1e-4)
    }
}
