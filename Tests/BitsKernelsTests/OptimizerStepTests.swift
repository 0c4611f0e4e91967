import BitsKernels
import Testing
import _BitsTestSupport

@Suite("Optimizer step kernels")
struct OptimizerStepTests {
    /// Every rule with every option that changes its arithmetic, and its moments: true where signed.
    static let rules: [(name: String, rule: ElementRule, moments: [Bool])] = [
        ("adam", .adam(.init(beta1: 0.9, gain1: 0.1, beta2: 0.999, gain2: 0.001, epsilon: 1e-8)), [true, false]),
        (
            "adam with maximum", .adam(.init(beta1: 0.9, gain1: 0.1, beta2: 0.95, gain2: 0.05, epsilon: 1e-6, usesMaximum: true)),
            [true, false, false]
        ),
        (
            "ademamix",
            .adEMAMix(
                .init(beta1: 0.9, gain1: 0.1, beta2: 0.999, gain2: 0.001, beta3: 0.9999, gain3: 1e-4, alpha: 5, bias: 5.26, epsilon: 3e-10)),
            [true, true, false]
        ),
        ("momentum", .momentum(.init(beta: 0.9, gain: 1, isFirst: false)), [true]),
        ("first momentum", .momentum(.init(beta: 0.9, gain: 0.5, isFirst: true)), [true]),
        ("momentum, product rounded", .momentum(.init(beta: 0.9, gain: 1, isFirst: false, roundsTwice: true)), [true]),
        ("nesterov", .momentum(.init(beta: 0.8, gain: 0.5, isFirst: false, isNesterov: true)), [true]),
        ("plain", .momentum(.init(beta: 0, gain: 1, isFirst: false)), []),
        ("rmsprop", .rmsProp(.init(beta: 0.99, gain: 0.01, epsilon: 1e-8)), [true]),
        ("rmsprop with momentum", .rmsProp(.init(beta: 0.99, gain: 0.01, epsilon: 1e-8, momentum: 0.9)), [true, true]),
        ("centered", .rmsProp(.init(beta: 0.9, gain: 0.1, epsilon: 1e-8, isCentered: true)), [true, true]),
        ("centered with momentum", .rmsProp(.init(beta: 0.9, gain: 0.1, epsilon: 1e-8, momentum: 0.5, isCentered: true)), [true, true, true]),
        ("adagrad", .adagrad(.init(epsilon: 1e-10)), [true]),
        ("lion", .lion(.init(beta1: 0.9, gain1: 0.1, beta2: 0.99, gain2: 0.01)), [true]),
    ]

    static func rule(_ name: String) -> ElementRule { rules.first { $0.name == name }!.rule }

    @Test("Every rule gives the reference's bits at every level and thread count", arguments: rules.map(\.name), [nil, 256] as [Int?])
    func levels(name: String, blockSize: Int?) throws {
        for dtype in [DType.float32, .float16, .bfloat16] {
            var step = StepCase(rule: Self.rule(name), signs: Self.signs(name), count: 1021, blockSize: blockSize)
            step.parameterType = dtype
            step.gradientType = dtype
            #expect(try step.differences(steps: 3) == [])
        }
    }

    @Test(
        "Every size gives the reference's bits, partial blocks included",
        arguments: [1, 15, 16, 17, 63, 64, 65, 255, 256, 257, 511, 4095, 4097, 65_537])
    func sizes(count: Int) throws {
        for (name, blockSize) in [("adam", 256), ("adam", nil), ("lion", 256), ("plain", nil), ("ademamix", 64)] as [(String, Int?)] {
            #expect(try StepCase(rule: Self.rule(name), signs: Self.signs(name), count: count, blockSize: blockSize).differences(steps: 2) == [])
        }
    }

    @Test("Every block size gives the reference's bits", arguments: [32, 64, 128, 256, 512, 1024, 2048, 4096])
    func blockSizes(size: Int) throws {
        #expect(try StepCase(rule: Self.rule("adam"), signs: [true, false], count: 9001, blockSize: size).differences(steps: 2) == [])
    }

    @Test("Parameter and gradient may have different types", arguments: [DType.float32, .float16, .bfloat16], [DType.float32, .float16, .bfloat16])
    func mixedTypes(parameter: DType, gradient: DType) throws {
        for blockSize in [nil, 256] as [Int?] {
            var step = StepCase(rule: Self.rule("adam"), signs: [true, false], count: 777, blockSize: blockSize)
            (step.parameterType, step.gradientType) = (parameter, gradient)
            #expect(try step.differences(steps: 2) == [])
        }
    }

    @Test("What surrounds the rules gives the reference's bits", arguments: ["adam", "momentum", "rmsprop", "lion"], [nil, 256] as [Int?])
    func surroundings(name: String, blockSize: Int?) throws {
        for change: (inout StepCase) -> Void in [
            { $0.arithmetic.decay = 0.999 }, { $0.arithmetic.coupledDecay = 0.1 }, { $0.arithmetic.gradientLimit = 0.25 }, { $0.scale = 0.3 },
            { $0.arithmetic.skipsZeros = true }, { $0.arithmetic.trust = TrustClip(limit: 0.02, directionScale: 0.3) },
            {
                $0.arithmetic.trust = TrustClip(limit: 1, directionScale: 1)
                $0.arithmetic.skipsZeros = true
                $0.scale = 1e-30
            },
        ] {
            var step = StepCase(rule: Self.rule(name), signs: Self.signs(name), count: 5000, blockSize: blockSize)
            change(&step)
            #expect(try step.differences(steps: 3) == [])
        }
    }

    @Test(
        "Decay gives the reference's bits in every type, before the step and after it", arguments: [DType.float32, .float16, .bfloat16],
        [false, true])
    func decay(dtype: DType, decaysFirst: Bool) throws {
        for blockSize in [nil, 256] as [Int?] {
            var step = StepCase(rule: Self.rule("adam"), signs: [true, false], count: 3000, blockSize: blockSize)
            (step.parameterType, step.gradientType) = (dtype, dtype)
            step.arithmetic.decay = 0.9
            step.arithmetic.decaysFirst = decaysFirst
            #expect(try step.differences(steps: 3) == [])
            // Tiny, huge and special parameters: every branch of the rounding.
            step.parameters = HostileFloats.mixture(count: 3000, seed: 5).map { $0.isNaN ? 1e-7 : $0 }
            #expect(try step.differences(steps: 2) == [])
        }
    }

    @Test("Hostile gradients and parameters give the reference's bits", arguments: rules.map(\.name), [nil, 64] as [Int?])
    func hostile(name: String, blockSize: Int?) throws {
        var step = StepCase(rule: Self.rule(name), signs: Self.signs(name), count: 3000, blockSize: blockSize)
        step.gradients = HostileFloats.mixture(count: 3000, seed: 7)
        step.parameters = HostileFloats.ordinary(count: 3000, seed: 8)
        #expect(try step.differences(steps: 3) == [])
        step.gradients = HostileFloats.ordinary(count: 3000, seed: 9).map { $0 * 1e-38 }
        #expect(try step.differences(steps: 3) == [])
    }

    @Test(
        "A finite gradient that no moment can hold clears its own element and leaves its block alone", arguments: rules.map(\.name),
        [nil, 256] as [Int?])
    func overflow(name: String, blockSize: Int?) throws {
        for dtype in [DType.float32, .bfloat16] {
            var step = StepCase(rule: Self.rule(name), signs: Self.signs(name), count: 512, blockSize: blockSize)
            (step.parameterType, step.gradientType) = (dtype, dtype)
            step.gradients = HostileFloats.ordinary(count: 512, seed: 11)
            step.gradients[37] = 1e30
            #expect(try step.differences(steps: 3) == [])
            #expect(try step.values(steps: 3).allSatisfy(\.isFinite))
            step.arithmetic.trust = TrustClip(limit: 0.02, directionScale: 0.3)
            #expect(try step.differences(steps: 3) == [])
        }
    }

    @Test("A moment on a threshold between two codes, or beside one, gets the reference's code", arguments: [true, false])
    func thresholds(isSigned: Bool) throws {
        let codebook = StepCase.dynamic(signed: isSigned)
        let middles = zip(codebook, codebook.dropFirst()).map { 0.5 * ($0 + $1) }
        let near = middles.flatMap { [$0.nextDown, $0, $0.nextUp] } + codebook + [0, -0.0, 1e-30, 0x1p-140].flatMap { isSigned ? [$0, -$0] : [$0] }
        // The first step's moment is the gradient itself; a 1 in each block makes it the normalized moment too.
        let gradients = stride(from: 0, to: near.count, by: 63).flatMap { [1] + near[$0..<min($0 + 63, near.count)] }
        var step = StepCase(rule: Self.rule("first momentum"), signs: [isSigned], count: gradients.count, blockSize: 64)
        step.gradients = gradients
        #expect(try step.differences(steps: 1) == [])
    }

    @Test("Moments with a codebook of their own give the reference's bits")
    func otherCodebooks() throws {
        var step = StepCase(rule: Self.rule("adam"), signs: [true, false], count: 3000, blockSize: 256)
        step.codebooks = [true: (0..<256).map { Float($0 - 128) / 128 }, false: (0..<256).map { Float($0) / 255 }]
        #expect(try step.differences(steps: 3) == [])
        var damaged = StepCase.dynamic(signed: true)
        damaged[0] = -1
        step.codebooks = [true: damaged, false: StepCase.dynamic(signed: false)]
        #expect(try step.differences(steps: 3) == [])
    }

    @Test("Norms and scaling give the reference's bits", arguments: [0, 1, 16, 17, 4096, 4097, 70_001], [DType.float32, .float16, .bfloat16])
    func norms(count: Int, dtype: DType) throws {
        let device = Device.cpu
        for values in [HostileFloats.ordinary(count: count, seed: 3), HostileFloats.mixture(count: count, seed: 4)] {
            let input = device.slice(values, as: dtype)
            let result = device.allocate(.float32, count: 2)
            #expect(try differencesFromReference(VectorNorm(input, into: result), outputs: ["norm": result]) == [])
        }
        let values = HostileFloats.ordinary(count: count, seed: 5)
        let scale = device.slice([0.3])
        let expected = device.slice(values, as: dtype)
        ScaleInPlace(expected, by: scale, limit: 0.2).reference(DeviceMemory())
        try ProcessorConditions.forEach { condition in
            let scaled = device.slice(values, as: dtype)
            device.run(ScaleInPlace(scaled, by: scale, limit: 0.2))
            let (found, wanted) = (try scaled.downloadBytes(), try expected.downloadBytes())
            #expect(found == wanted, "\(condition)")
        }
    }

    private static func signs(_ name: String) -> [Bool] { rules.first { $0.name == name }!.moments }
}
