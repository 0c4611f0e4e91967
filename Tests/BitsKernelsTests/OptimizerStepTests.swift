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

    @Test("Steps of a series give the bits of steps on their own, wherever gradients lie", arguments: rules.map(\.name))
    func series(name: String) throws {
        let cases = [(4096, 256), (1021, nil), (257, 256), (700, 64), (8, nil)].map { count, blockSize in
            StepCase(rule: Self.rule(name), signs: Self.signs(name), count: count, blockSize: blockSize)
        }
        var limited = cases[0]
        limited.update.trust = TrustClip(limit: 0.02, directionScale: 1)
        limited.scale = 0.5
        let all = cases + [limited]
        #expect(try StepCase.contents(all, steps: 5, inSeries: true) == StepCase.contents(all, steps: 5, inSeries: false))
    }

    @Test("Every block size gives the reference's bits", arguments: [32, 64, 128, 256, 512, 1024, 2048, 4096, 8192, 16384])
    func blockSizes(size: Int) throws {
        #expect(try StepCase(rule: Self.rule("adam"), signs: [true, false], count: 40_001, blockSize: size).differences(steps: 2) == [])
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
            { $0.update.decay = 0.999 }, { $0.update.coupledDecay = 0.1 }, { $0.update.gradientLimit = 0.25 }, { $0.scale = 0.3 },
            { $0.update.skipsZeros = true }, { $0.update.trust = TrustClip(limit: 0.02, directionScale: 0.3) },
            {
                $0.update.trust = TrustClip(limit: 1, directionScale: 1)
                $0.update.skipsZeros = true
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
            step.update.decay = 0.9
            step.update.decaysFirst = decaysFirst
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
            step.update.trust = TrustClip(limit: 0.02, directionScale: 0.3)
            #expect(try step.differences(steps: 3) == [])
        }
    }

    @Test("A moment on a threshold between two codes, or beside one, gets the reference's code", arguments: [true, false])
    func thresholds(isSigned: Bool) throws {
        let codebook = ConformanceCase.dynamicMap(isSigned: isSigned)
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
        var damaged = ConformanceCase.dynamicMap(isSigned: true)
        damaged[0] = -1
        step.codebooks = [true: damaged, false: ConformanceCase.dynamicMap(isSigned: false)]
        #expect(try step.differences(steps: 3) == [])
    }

    @Test("Many parameters in one launch get the bits that they would get one by one", arguments: [nil, 256] as [Int?])
    func manyParameters(blockSize: Int?) throws {
        var cases = Self.rules.enumerated().map { i, entry in
            var step = StepCase(rule: entry.rule, signs: entry.moments, count: [1, 300, 70_001, 0, 4096, 65_536][i % 6], blockSize: blockSize)
            (step.parameterType, step.gradientType) = (ElementwiseTests.floats[i % 3], ElementwiseTests.floats[(i + i / 3) % 3])
            if i % 4 == 1 { step.scale = 0.3 }
            if i % 5 == 2 { step.update.trust = TrustClip(limit: 0.02, directionScale: 0.3) }
            if i % 7 == 3 { step.blockSize = step.blockSize.map { 4 * $0 } }
            return step
        }
        cases[4].codebooks = [true: (0..<256).map { Float($0 - 128) / 128 }, false: (0..<256).map { Float($0) / 255 }]
        let own = ElementRule.custom { gradient, moments in
            moments[0] = 0.5 * moments[0] + gradient
            return moments[0]
        }
        cases.insert(StepCase(rule: own, signs: [true], count: 500, blockSize: blockSize), at: 3)
        #expect(try StepCase.differences(cases, steps: 2) == [])
        #expect(try StepCase.differences([], steps: 1) == [])
    }

    @Test("Norms and scaling give the reference's bits, of one array and of many", arguments: ElementwiseTests.floats)
    func norms(dtype: DType) throws {
        let device = Device.tested
        let counts = [0, 1, 16, 17, 4096, 0, 4097, 70_001, 65_536, 0]
        let kept = KeptOperands()
        for make in [HostileFloats.ordinary, HostileFloats.mixture] {
            let arrays = counts.enumerated().map { device.slice(make($1, UInt64($0)), as: $0 % 4 == 3 ? .float32 : dtype) }
            for inputs in [arrays, arrays, arrays.reversed()] + arrays.map({ [$0] }) {
                let result = device.allocate(.float32, count: 2 * inputs.count)
                #expect(try differencesFromReference(VectorNorm(inputs, into: result, keptIn: kept), outputs: ["norm": result]) == [])
            }
        }
        let values = counts.enumerated().map { HostileFloats.ordinary(count: $1, seed: UInt64($0 + 20)) }
        let scale = device.slice([0.3])
        let expected = values.map { device.slice($0, as: dtype) }
        ScaleInPlace(expected, by: scale, limit: 0.2).reference(DeviceMemory())
        try ProcessorConditions.forEach { condition in
            let scaled = values.map { device.slice($0, as: dtype) }
            device.run(ScaleInPlace(scaled, by: scale, limit: 0.2))
            for (found, wanted) in zip(scaled, expected) {
                let (found, wanted) = (try found.downloadBytes(), try wanted.downloadBytes())
                #expect(found == wanted, "\(condition)")
            }
        }
    }

    private static func signs(_ name: String) -> [Bool] { rules.first { $0.name == name }!.moments }
}
