import BitsCore
import BitsKernels
import BitsOptim
import BitsQuant
import Testing
import _BitsTestSupport

@Suite("Optimizer")
struct OptimizerTests {
    static let rules: [any UpdateRule] = [
        Adam(), AdamW(), AdEMAMix(), LAMB(), LARS(learningRate: 0.1, momentum: 0.9), Lion(), RMSprop(), RMSprop(momentum: 0.9), Adagrad(),
        SGD(learningRate: 0.1), SGD(learningRate: 0.1, momentum: 0.9),
    ]
    static let storages: [MomentStorage] = [.float32, .blockwise8bit(minimumCount: 1)]

    static func parameter(_ count: Int, seed: UInt64, dtype: DType = .float32) -> Parameter {
        Parameter(Tensor(HostileFloats.ordinary(count: count, seed: seed), dtype: dtype))
    }

    @Test("Only trainable parameters with a gradient change")
    func whoMoves() throws {
        let parameters = (1...3).map { Self.parameter(10, seed: UInt64($0)) }
        let before = try parameters.map { try $0.value.floats() }
        let optimizer = try Optimizer(parameters, rule: SGD(learningRate: 1))
        parameters[0].gradient = Tensor.ones([10])
        parameters[2].gradient = Tensor.ones([10])
        parameters[2].isTrainable = false
        try optimizer.step()
        #expect(try parameters[0].value.floats() == before[0].map { $0 - 1 })
        #expect(try parameters[1].value.floats() == before[1])
        #expect(try parameters[2].value.floats() == before[2])
        #expect(optimizer.stepCount == 1)
        optimizer.clearGradients()
        #expect(parameters.allSatisfy { $0.gradient == nil })
    }

    @Test("Tensors that share a parameter's memory keep their values")
    func sharing() throws {
        let parameter = Self.parameter(100, seed: 1)
        let (snapshot, before) = (parameter.value, try parameter.value.floats())
        parameter.gradient = Tensor.ones([100])
        try Optimizer([parameter], rule: SGD(learningRate: 1)).step()
        #expect(try snapshot.floats() == before)
        #expect(try parameter.value.floats() == before.map { $0 - 1 })
    }

    @Test("A weight whose gradient is exactly zero does not move without decay", arguments: rules.indices, storages)
    func zeroGradients(rule: Int, storage: MomentStorage) throws {
        for dtype in [DType.float32, .float16, .bfloat16] {
            let count = 700
            let parameter = Self.parameter(count, seed: 1, dtype: dtype)
            let before = try parameter.value.floats()
            var rule = Self.rules[rule]
            if var adam = rule as? AdamW {
                adam.weightDecay = 0
                rule = adam
            }
            if var mix = rule as? AdEMAMix {
                mix.weightDecay = 0
                rule = mix
            }
            let optimizer = try Optimizer(groups: [ParameterGroup([parameter], rule: rule)], moments: storage)
            for step in 1...5 {
                let gradient = HostileFloats.ordinary(count: count, seed: UInt64(10 + step)).enumerated().map { i, g in
                    i % 3 == 0 || i >= 512 ? (i % 2 == 0 ? 0 : -0.0) : g
                }
                parameter.gradient = Tensor(gradient, dtype: dtype)
                try optimizer.step()
            }
            let after = try parameter.value.floats()
            for i in 0..<count where i % 3 == 0 || i >= 512 { #expect(after[i] == before[i]) }
            #expect(after != before)
        }
    }

    @Test("An element whose gradient is not finite keeps its value and loses its moments", arguments: rules.indices, storages)
    func nonFiniteGradients(rule: Int, storage: MomentStorage) throws {
        let count = 600
        let parameter = Self.parameter(count, seed: 1)
        let optimizer = try Optimizer(groups: [ParameterGroup([parameter], rule: Self.rules[rule])], moments: storage)
        parameter.gradient = Tensor(HostileFloats.ordinary(count: count, seed: 2))
        try optimizer.step()
        let before = try parameter.value.floats()
        parameter.gradient = Tensor(
            HostileFloats.ordinary(count: count, seed: 3).enumerated().map { i, g in i % 50 == 7 ? [.nan, .infinity, -.infinity][i % 3] : g })
        try optimizer.step()
        let after = try parameter.value.floats()
        let moments = try #require(try optimizer.momentValues(of: parameter))
        for i in stride(from: 7, to: count, by: 50) {
            #expect(after[i] == before[i])
            for moment in moments { #expect(try moment.floats()[i] == 0) }
        }
        #expect(after.allSatisfy { $0.isFinite })
    }

    @Test("Decay follows the step unless the rule puts it first")
    func decayOrder() throws {
        for (decaysFirst, expected) in [(false, 0.25), (true, 0)] as [(Bool, Float)] {
            let parameter = Parameter(Tensor([1.0]))
            parameter.gradient = Tensor([1.0])
            try Optimizer([parameter], rule: ElementRuleForTests(step: -0.5, decay: 0.5, decaysFirst: decaysFirst)).step()
            #expect(try parameter.value.item() == expected)
        }
        let parameter = Parameter(Tensor([1.0]))
        parameter.gradient = Tensor([1.0])
        try Optimizer([parameter], rule: Lion(learningRate: 0.5, weightDecay: 1)).step()
        #expect(try parameter.value.item() == 0)
        (parameter.value, parameter.gradient) = (Tensor([1.0]), Tensor([1.0]))
        try Optimizer([parameter], rule: AdamW(learningRate: 0.5, weightDecay: 1)).step()
        #expect(try parameter.value.item() == 0.25)
    }

    @Test("16-bit parameters are rounded after the step and after the decay", arguments: [DType.float16, .bfloat16], [false, true])
    func roundings(dtype: DType, decaysFirst: Bool) throws {
        let parameter = Parameter(Tensor([1.0, 1.0], dtype: dtype))
        parameter.gradient = Tensor([1.0, 1.0], dtype: dtype)
        // Each alone is less than half of the last place, both together are more.
        let tiny = dtype == .bfloat16 ? 0x1.8p-10 : 0x1.8p-13
        try Optimizer([parameter], rule: ElementRuleForTests(step: -tiny, decay: 1 - tiny, decaysFirst: decaysFirst)).step()
        #expect(try parameter.value.floats() == [1, 1])
    }

    @Test("Gradients that do not lie in a row are taken in their order")
    func stridedGradients() throws {
        let values = HostileFloats.ordinary(count: 12, seed: 1)
        let (a, b) = (Parameter(Tensor.zeros([4, 3])), Parameter(Tensor.zeros([4, 3])))
        let transposed = Tensor(values, shape: [3, 4]).transposed(0, 1)
        a.gradient = transposed
        b.gradient = Tensor(try transposed.floats(), shape: [4, 3])
        try Optimizer([a, b], rule: SGD(learningRate: 1)).step()
        #expect(try a.value.floats() == b.value.floats())
        #expect(try a.value.floats() != [Float](repeating: 0, count: 12))
    }

    @Test("Parameters that do not lie in a row are stepped in their order")
    func stridedParameters() throws {
        let values = Tensor(HostileFloats.ordinary(count: 12, seed: 1), shape: [3, 4]).transposed(0, 1)
        let (a, b) = (Parameter(values), Parameter(Tensor(try values.floats(), shape: [4, 3])))
        for parameter in [a, b] { parameter.gradient = Tensor(HostileFloats.ordinary(count: 12, seed: 2), shape: [4, 3]) }
        try Optimizer([a, b], rule: AdamW()).step()
        #expect(a.value.shape == [4, 3])
        #expect(try a.value.floats() == b.value.floats())
        #expect(try a.value.floats() != values.floats())
    }

    @Test("Moments take the bytes that are documented")
    func footprint() throws {
        func bytes(_ rule: any UpdateRule, _ storage: MomentStorage) throws -> Double {
            let parameter = Parameter(Tensor.zeros([65536]))
            parameter.gradient = Tensor.zeros([65536])
            let optimizer = try Optimizer(groups: [ParameterGroup([parameter], rule: rule)], moments: storage)
            try optimizer.step()
            return Double(optimizer.momentByteCount) / 65536
        }
        for (rule, moments) in [
            (Adam(), 2), (AdamW(), 2), (LAMB(), 2), (AdEMAMix(), 3), (Lion(), 1), (RMSprop(), 1), (Adagrad(), 1),
            (SGD(learningRate: 1, momentum: 0.9), 1),
            (LARS(learningRate: 1, momentum: 0.9), 1), (SGD(learningRate: 1), 0), (RMSprop(momentum: 0.9), 2),
        ] as [(any UpdateRule, Double)] {
            #expect(try bytes(rule, .blockwise8bit()) == moments * 1.015625)
            #expect(try bytes(rule, .float32) == moments * 4)
        }
        #expect(try bytes(Adam(), .blockwise8bit()) == 2.03125)
        #expect(try bytes(Adam(), .blockwise8bit(blockSize: .b2048)) == 2.00390625)
        #expect(try bytes(Adam(amsgrad: true), .float32) == 12)
    }

    @Test("Small parameters keep 32-bit moments")
    func minimumCount() throws {
        let parameters = [4095, 4096].map { Parameter(Tensor.zeros([$0])) }
        for parameter in parameters { parameter.gradient = Tensor.ones(parameter.shape) }
        let optimizer = try Optimizer(parameters, rule: Lion(), moments: .blockwise8bit())
        try optimizer.step()
        #expect(optimizer.momentByteCount == 4 * 4095 + 4096 + 64)
    }

    @Test("8-bit moments stay near 32-bit ones", arguments: rules.indices)
    func precision(rule: Int) throws {
        let count = 5000
        func run(_ storage: MomentStorage) throws -> [Float] {
            let parameter = Parameter(Tensor.zeros([count]))
            let optimizer = try Optimizer(groups: [ParameterGroup([parameter], rule: Self.rules[rule])], moments: storage)
            if Self.rules[rule] is LAMB || Self.rules[rule] is LARS { parameter.value = Tensor.ones([count]) }
            for step in 1...20 {
                parameter.gradient = Tensor(HostileFloats.ordinary(count: count, seed: UInt64(step)))
                try optimizer.step()
            }
            return try parameter.value.floats()
        }
        let (exact, quantized) = (try run(.float32), try run(.blockwise8bit()))
        let mean = exact.reduce(0, +) / Float(count)
        let spread = exact.reduce(0) { $0 + ($1 - mean) * ($1 - mean) }
        let error = zip(exact, quantized).reduce(0) { $0 + ($1.0 - $1.1) * ($1.0 - $1.1) }
        #expect(error < 0.01 * spread)
    }

    @Test("A schedule applies to every group's own rate")
    func schedules() throws {
        let parameters = (0..<2).map { _ in Parameter(Tensor([0.0])) }
        let groups = zip(parameters, [1.0, 10]).map { ParameterGroup([$0], rule: SGD(learningRate: $1)) }
        let optimizer = try Optimizer(groups: groups, schedule: .linear(warmupSteps: 1, totalSteps: 3))
        var rates = [Double]()
        for _ in 0..<4 {
            for parameter in parameters { parameter.gradient = Tensor([1.0]) }
            rates.append(optimizer.currentLearningRate(ofGroup: 1))
            try optimizer.step()
        }
        #expect(rates == [0, 10, 5, 0])
        #expect(try parameters.map { try $0.value.item() } == [-1.5, -15])
        try optimizer.setLearningRate(7)
        #expect(optimizer.groups.allSatisfy { $0.rule.learningRate == 7 })
    }

    @Test("A third beta of zero stays zero where it would grow")
    func thirdBeta() {
        #expect([1, 5, 10, 20].allSatisfy { AdEMAMix(betas: (0.9, 0.999, 0), beta3Steps: 10).beta3(at: $0) == 0 })
        #expect(AdEMAMix(beta3Steps: 10).beta3(at: 1) > 0.9)
    }

    @Test("A closure's loss comes back, and its gradients are used")
    func closure() throws {
        let parameter = Parameter(Tensor([2.0]))
        let optimizer = try Optimizer([parameter], rule: SGD(learningRate: 0.5))
        let loss = try optimizer.step {
            let loss = parameter.tensor * parameter.tensor
            loss.backward()
            return loss
        }
        #expect(try loss.item() == 4)
        #expect(!loss.carriesGradient)
        #expect(try parameter.value.item() == 0)
    }

    @Test("A step changes parameters in place, also when the computation of the loss could be walked back again", arguments: [false, true])
    func inPlace(retainingGraph: Bool) throws {
        let (meter, count) = (Meter(), 100_000)
        let parameters = (0..<3).map { _ in Parameter(Tensor.ones([count], device: meter.device)) }
        let optimizer = try Optimizer(parameters, rule: SGD(learningRate: 0.5))
        func loss() -> Tensor {
            let loss = parameters.dropFirst().reduce(parameters[0].tensor) { $0 * $1.tensor }.sum()
            loss.backward(retainingGraph: retainingGraph)
            return loss
        }
        try optimizer.step(loss)
        var atStep = 0
        try optimizer.step {
            optimizer.clearGradients()
            defer { atStep = meter.runs(of: StridedCopy.name) }
            return loss()
        }
        #expect(meter.runs(of: StridedCopy.name) == atStep)
        #expect(try parameters[0].value.floats()[0] == 0.375)
    }

    @Test("With zeros skipped, an element without a gradient keeps its value and its moments", arguments: storages)
    func skipsZeros(storage: MomentStorage) throws {
        let count = 1024
        let parameter = Self.parameter(count, seed: 1)
        let optimizer = try Optimizer([parameter], rule: AdamW(weightDecay: 0.1), moments: storage, skipsZeros: true)
        parameter.gradient = Tensor(HostileFloats.ordinary(count: count, seed: 2))
        try optimizer.step()
        let before = (try parameter.value.floats(), try #require(try optimizer.momentValues(of: parameter)).map { try $0.floats() })
        parameter.gradient = Tensor(HostileFloats.ordinary(count: count, seed: 3).enumerated().map { i, g in i < 512 ? g : 0 })
        try optimizer.step()
        let after = (try parameter.value.floats(), try #require(try optimizer.momentValues(of: parameter)).map { try $0.floats() })
        #expect(after.0[512...] == before.0[512...])
        #expect(after.0[..<512] != before.0[..<512])
        for (a, b) in zip(after.1, before.1) { #expect(a[512...] == b[512...]) }
    }

    @Test("A rule from outside the package has 8-bit moments and all the rest", arguments: storages)
    func customRule(storage: MomentStorage) throws {
        let parameters = (0..<2).map { _ in Self.parameter(500, seed: 1) }
        let optimizers = [
            try Optimizer([parameters[0]], rule: SGD(learningRate: 0.1, momentum: 0.5, dampening: 0.5), moments: storage),
            try Optimizer([parameters[1]], rule: MomentumOfMyOwn(learningRate: 0.1), moments: storage),
        ]
        for step in 1...5 {
            for (parameter, optimizer) in zip(parameters, optimizers) {
                parameter.gradient = Tensor(HostileFloats.ordinary(count: 500, seed: UInt64(step)).map { step == 1 ? $0 * 2 : $0 })
                if step == 1, optimizer === optimizers[0] { parameter.gradient = Tensor(HostileFloats.ordinary(count: 500, seed: 1)) }
                try optimizer.step()
            }
        }
        #expect(try parameters[0].value.floats() == parameters[1].value.floats())
    }
}

/// What ``OptimizerTests/customRule(storage:)`` compares with SGD: `m = m / 2 + g / 2`.
private struct MomentumOfMyOwn: UpdateRule {
    static let name = "mine"
    static let settings: [RuleSetting<MomentumOfMyOwn>] = [.number("lr", \.learningRate)]
    var learningRate: Double
    var moments: [Moment] { [.signed] }

    func update(step: Int, learningRate: Double) -> ElementUpdate {
        ElementUpdate(step: -learningRate) { gradient, moments in
            moments[0] = (0.5 * moments[0]).addingProduct(0.5, gradient)
            return moments[0]
        }
    }
}

/// The gradient itself, with a decay.
private struct ElementRuleForTests: UpdateRule {
    static let name = "plain"
    static let settings: [RuleSetting<ElementRuleForTests>] = []
    var learningRate = 1.0
    var step: Double
    var decay: Double
    var decaysFirst: Bool
    var moments: [Moment] { [] }

    init(step: Double, decay: Double, decaysFirst: Bool) { (self.step, self.decay, self.decaysFirst) = (step, decay, decaysFirst) }

    func update(step: Int, learningRate: Double) -> ElementUpdate {
        ElementUpdate(step: self.step, decay: decay, decaysFirst: decaysFirst) { gradient, _ in gradient }
    }
}
