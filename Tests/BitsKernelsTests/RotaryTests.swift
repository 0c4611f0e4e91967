import BitsKernels
import Testing
import _BitsTestSupport

@Suite("Rotary embedding")
struct RotaryTests {
    @Test("Both directions have the reference's bits, in place too", arguments: [DType.float32, .float16, .bfloat16], [false, true])
    func rotation(dtype: DType, inverse: Bool) throws {
        for (tokens, heads, width) in [(0, 2, 4), (1, 1, 2), (1, 12, 64), (5, 3, 18), (700, 8, 32), (9, 2, 66)] {
            let count = tokens * heads * width
            let input = Device.tested.input(HostileFloats.mixture(count: count, seed: 1), as: dtype)
            let angles = HostileFloats.ordinary(count: tokens * width / 2, seed: 2)
            let cosine = Device.tested.input(angles)
            let sine = Device.tested.input(angles.reversed())
            let output = Device.tested.output(dtype, count: count)
            for target in [output, input] {
                let kernel = Rotary(
                    input, cosine: cosine, sine: sine, tokens: tokens, heads: heads, headWidth: width, inverse: inverse, into: target)
                #expect(try deviationsFromReference(kernel, outputs: [KernelOutput("output", target)]) == [])
            }
        }
    }

    @Test(
        "Angles by position are those of the position's row, and outside the tables there are none", arguments: [DType.float32, .float16, .bfloat16])
    func positions(dtype: DType) throws {
        let (rows, heads, width) = (50, 2, 34)
        let positions = [7, 0, 49, 7, 50, -1] + (0..<400).map { ($0 * 37) % 50 }
        let input = Device.tested.input(HostileFloats.mixture(count: positions.count * heads * width, seed: 1), as: dtype)
        let angles = HostileFloats.ordinary(count: rows * width / 2, seed: 2)
        let output = Device.tested.output(dtype, count: input.count)
        let kernel = Rotary(
            input, cosine: Device.tested.input(angles), sine: Device.tested.input(angles.reversed()),
            positions: Device.tested.integers(positions, as: .int32), tokens: positions.count, heads: heads, headWidth: width, inverse: false,
            into: output)
        #expect(try deviationsFromReference(kernel, outputs: [KernelOutput("output", output)]) == [])
        let row = heads * width
        #expect(try output[4 * row..<6 * row].downloadFloats().allSatisfy { $0 == 0 })
    }

    @Test("The inverse is the transpose: it undoes a rotation and is its gradient")
    func transpose() throws {
        let (tokens, heads, width) = (3, 2, 10)
        let angles = HostileFloats.ordinary(count: tokens * width / 2, seed: 3)
        let memory = DeviceMemory()
        let output = Device.tested.allocate(.float32, count: tokens * heads * width)
        func rotated(_ x: [Float], inverse: Bool) throws -> [Float] {
            Device.tested.run(
                Rotary(
                    Device.tested.slice(x), cosine: Device.tested.slice(angles.map { cosine($0) }),
                    sine: Device.tested.slice(angles.map { sine($0) }),
                    tokens: tokens, heads: heads, headWidth: width, inverse: inverse, into: output))
            return memory.floats(output)
        }
        let point = HostileFloats.ordinary(count: tokens * heads * width, seed: 4)
        let weights = HostileFloats.ordinary(count: tokens * heads * width, seed: 5)
        let back = try rotated(rotated(point, inverse: false), inverse: true)
        #expect(largestDifference(back, from: point.map(Double.init)) < 1e-6)
        let expected = try finiteDifferences(at: point) { x in
            try zip(rotated(x, inverse: false), weights).reduce(0) { $0 + Double($1.0) * Double($1.1) }
        }
        #expect(largestDifference(try rotated(weights, inverse: true), from: expected) < 1e-4)
    }

    /// (1 - t²) / (1 + t²) and 2t / (1 + t²) lie on the unit circle.
    private func cosine(_ t: Float) -> Float { (1 - t * t) / (1 + t * t) }
    private func sine(_ t: Float) -> Float { 2 * t / (1 + t * t) }
}
