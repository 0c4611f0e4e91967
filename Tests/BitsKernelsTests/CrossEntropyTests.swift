import BitsKernels
import Testing
import _BitsTestSupport

@Suite("Cross-entropy")
struct CrossEntropyTests {
    @Test(
        "Losses and gradients, with ignored rows and targets outside the vocabulary", arguments: [DType.float32, .float16, .bfloat16],
        [DType.int32, .int64])
    func lossesAndGradients(dtype: DType, indices: DType) throws {
        for (rows, vocabulary) in [(0, 10), (1, 1), (5, 7), (9, 64), (33, 1000), (4, 32_003)] {
            var random = SplitMix(state: 1)
            let special = [-100, -1, vocabulary, 0, vocabulary - 1]
            let targets = (0..<rows).map { $0 < 5 && rows > 4 ? special[$0] : Int(random.next() % UInt64(vocabulary)) }
            let logits = Device.tested.input(HostileFloats.ordinary(count: rows * vocabulary, seed: 2).map { 4 * $0 }, as: dtype)
            let losses = Device.tested.output(.float32, count: rows)
            let gradient = Device.tested.output(dtype, count: rows * vocabulary)
            let expected = KernelOutput("losses", losses, absolute: 2e-6, relative: 1e-6)
            #expect(
                try deviationsFromReference(
                    CrossEntropy(logits: logits, targets: Device.tested.integers(targets, as: indices), losses: losses), outputs: [expected]) == [])
            for target in [gradient, logits] {  // the gradient may take the logits' place
                let kernel = CrossEntropy(
                    logits: logits, targets: Device.tested.integers(targets, as: indices), losses: losses, gradient: target, gradientScale: 0.37)
                #expect(
                    try deviationsFromReference(
                        kernel, outputs: [expected, KernelOutput("gradient", target, absolute: 1e-7, relative: 2e-6)]) == [])
            }
        }
    }

    @Test("Far and infinite logits")
    func extremes() throws {
        let logits: [Float] = [1e30, -1e30, 0, -.infinity, 3, 4, 1000, 1001, 1002, .nan, 0, 0]
        let losses = Device.tested.output(.float32, count: 4)
        let gradient = Device.tested.output(.float32, count: 12)
        let kernel = CrossEntropy(
            logits: Device.tested.input(logits), targets: Device.tested.integers([0, 1, 2, 0], as: .int64), losses: losses, gradient: gradient)
        #expect(
            try deviationsFromReference(
                kernel, outputs: [KernelOutput("losses", losses, absolute: 1e-6, relative: 1e-6), KernelOutput("gradient", gradient, absolute: 1e-6)])
                == [])
    }

    @Test("The reference's gradient agrees with differences of its losses")
    func differences() throws {
        let point = HostileFloats.ordinary(count: 15, seed: 3)
        let memory = DeviceMemory()
        let losses = Device.tested.allocate(.float32, count: 3)
        let targets = Device.tested.integers([2, -100, 4], as: .int32)
        let expected = finiteDifferences(at: point) { x in
            CrossEntropy(logits: Device.tested.slice(x), targets: targets, losses: losses).reference(memory)
            return memory.floats(losses).reduce(0) { $0 + 0.5 * Double($1) }
        }
        let gradient = Device.tested.allocate(.float32, count: 15)
        CrossEntropy(logits: Device.tested.slice(point), targets: targets, losses: losses, gradient: gradient, gradientScale: 0.5).reference(memory)
        #expect(largestDifference(memory.floats(gradient), from: expected) < 1e-4)
    }
}
