import BitsCore
import BitsOptim
import Testing
import _BitsTestSupport

@Suite("Overrides")
struct OverrideTests {
    private final class Layer {
        let weight = Parameter(Tensor.zeros([5000]))
        let bias = Parameter(Tensor.zeros([5000]))
    }

    private func optimizer(_ layer: Layer, _ rule: any UpdateRule = AdamW(), named prefix: String = "layer") throws -> Optimizer {
        let named = [("\(prefix).weight", layer.weight), ("\(prefix).bias", layer.bias)].map { (path: $0.0, parameter: $0.1) }
        return try Optimizer(groups: [ParameterGroup(named, rule: rule)], moments: .blockwise8bit())
    }

    private func step(_ optimizer: Optimizer, _ layer: Layer) throws {
        layer.weight.gradient = Tensor.ones([5000])
        layer.bias.gradient = Tensor.ones([5000])
        try optimizer.step()
    }

    private let blockwise = 2 * (5000 + 4 * 20)

    @Test("Bits are overridden for one parameter alone, in this optimizer alone")
    func bits() throws {
        let (a, b) = (Layer(), Layer())
        let (first, second) = (try optimizer(a), try optimizer(b))
        try first.override(a.bias, ParameterOverride(bits: .thirtyTwo))
        try expectWide(first, a, blockwise: second, b)
    }

    @Test("A parameter that wants 32-bit moments has them, unless an override says otherwise")
    func wishes() throws {
        let (a, b) = (Layer(), Layer())
        a.weight.keeps32BitMoments = true
        b.weight.keeps32BitMoments = true
        let (first, second) = (try optimizer(a), try optimizer(b))
        try second.override(b.weight, ParameterOverride(bits: .eight))
        try expectWide(first, a, blockwise: second, b)
    }

    /// Takes a step each, after which one tensor of `first` has moments in 32 bits and none of `second`.
    private func expectWide(_ first: Optimizer, _ a: Layer, blockwise second: Optimizer, _ b: Layer) throws {
        try step(first, a)
        try step(second, b)
        #expect(first.momentByteCount == blockwise + 2 * 20000)
        #expect(second.momentByteCount == 2 * blockwise)
    }

    @Test("A parameter, a list, a module's property and a pattern of names all find their parameters")
    func selections() throws {
        for select: (Optimizer, Layer, ParameterOverride) throws -> Void in [
            { try $0.override($1.weight, $2) }, { try $0.override([$1.weight], $2) }, { try $0.override($1, \.weight, $2) },
            { try $0.override(named: "*.weight", $2) }, { try $0.override(named: "layer.w*t", $2) }, { try $0.override(named: "layer.weight", $2) },
        ] {
            let layer = Layer()
            let optimizer = try optimizer(layer, SGD(learningRate: 1))
            try select(optimizer, layer, ParameterOverride(learningRate: 0.25))
            try step(optimizer, layer)
            #expect(try layer.weight.value.floats()[0] == -0.25)
            #expect(try layer.bias.value.floats()[0] == -1)
        }
    }

    @Test("Overrides may be decided before there is an optimizer, or any")
    func before() throws {
        let layer = Layer()
        var overrides = ParameterOverrides()
        overrides.add(named: "*", ParameterOverride(learningRate: 0.5))
        overrides.add(layer, \.weight, ParameterOverride(learningRate: 0.25))
        let named = [("a", layer.weight), ("b", layer.bias)].map { (path: $0.0, parameter: $0.1) }
        let optimizer = try Optimizer(groups: [ParameterGroup(named, rule: SGD(learningRate: 1))], overrides: overrides)
        try step(optimizer, layer)
        #expect(try layer.weight.value.floats()[0] == -0.25)
        #expect(try layer.bias.value.floats()[0] == -0.5)

        var bits = ParameterOverrides()
        bits.add([layer.weight], ParameterOverride(bits: .thirtyTwo))
        let adam = try Optimizer.adam8bit([layer.weight, layer.bias], options: OptimizerOptions(overrides: bits))
        try step(adam, layer)
        #expect(adam.momentByteCount == blockwise + 2 * 20000)

        overrides.add(named: "*.wieght", ParameterOverride(bits: .eight))
        #expect(throws: OptimizerError.overrideMatchesNothing("the name pattern '*.wieght'")) {
            try Optimizer(groups: [ParameterGroup(named, rule: SGD(learningRate: 1))], overrides: overrides)
        }
        // All or none: the pattern that matches nothing keeps the others out too.
        let other = try Optimizer(groups: [ParameterGroup(named, rule: SGD(learningRate: 1))])
        #expect(throws: OptimizerError.self) { try other.override(overrides) }
        try step(other, layer)
        #expect(try layer.weight.value.floats()[0] < -1.2)
    }

    @Test("The least size for 8 bits counts also where 8 bits are asked for by an override alone")
    func minimumCount() throws {
        let parameter = Parameter(Tensor.zeros([1000]))
        var overrides = ParameterOverrides()
        overrides.add(parameter, ParameterOverride(bits: .eight))
        let optimizer = try Optimizer.lion32bit([parameter], options: OptimizerOptions(minimum8bitCount: 512, overrides: overrides))
        parameter.gradient = Tensor.ones([1000])
        try optimizer.step()
        #expect(optimizer.momentByteCount == 1000 + 4 * 4)
    }

    @Test("An override of one optimizer does not reach another one of the same parameter")
    func sameParameter() throws {
        let layer = Layer()
        let (first, second) = (try optimizer(layer, SGD(learningRate: 1)), try optimizer(layer, SGD(learningRate: 1)))
        try first.override(layer.weight, ParameterOverride(learningRate: 0))
        try step(first, layer)
        #expect(try layer.weight.value.floats()[0] == 0)
        try step(second, layer)
        #expect(try layer.weight.value.floats()[0] == -1)
    }

    @Test("Every setting of a rule can be overridden, before the first step and between steps")
    func settings() throws {
        let (layer, twin) = (Layer(), Layer())
        let optimizer = try optimizer(layer, AdEMAMix())
        let override = ParameterOverride(
            bits: .thirtyTwo, learningRate: 0.1, betas: [0.5, 0.6, 0.7], epsilon: 1e-3, weightDecay: 0.2, others: ["alpha": 2, "t_alpha": 3])
        try optimizer.override(layer.weight, override)
        let rule = AdEMAMix(learningRate: 0.1, betas: (0.5, 0.6, 0.7), alpha: 2, alphaSteps: 3, epsilon: 1e-3, weightDecay: 0.2)
        let other = try Optimizer([twin.weight], rule: rule)
        for t in 1...4 {
            let gradient = Tensor(HostileFloats.ordinary(count: 5000, seed: UInt64(t)))
            (layer.weight.gradient, twin.weight.gradient) = (gradient, gradient)
            if t == 3 {
                try optimizer.override(layer.weight, ParameterOverride(learningRate: 0.3))
                try other.setLearningRate(0.3)
            }
            try optimizer.step()
            try other.step()
        }
        #expect(try layer.weight.value.floats() == twin.weight.value.floats())
    }

    @Test("A percentile of its norms may be one parameter's own, or none where the others have one")
    func percentiles() throws {
        func run(_ clipping: GradientClipping?, _ percentile: Int?) throws -> [Float] {
            let layer = Layer()
            let named = [("weight", layer.weight), ("bias", layer.bias)].map { (path: $0.0, parameter: $0.1) }
            let optimizer = try Optimizer(groups: [ParameterGroup(named, rule: SGD(learningRate: 1))], clipping: clipping)
            if let percentile { try optimizer.override(layer.weight, ParameterOverride(["percentile_clipping": .number(Double(percentile))])) }
            for size in [1, 4] as [Float] {
                layer.weight.gradient = Tensor.ones([5000]) * size
                layer.bias.gradient = Tensor.ones([5000]) * size
                try optimizer.step()
            }
            return [try layer.weight.value.floats()[0], try layer.bias.value.floats()[0]]
        }
        #expect(try run(nil, 0) == [-2, -5])
        #expect(try run(.percentile(0), 100) == [-5, -2])
        #expect(try run(.percentile(0), nil) == [-2, -2])
        #expect(throws: OptimizerError.self) { try run(.norm(1), 0) }
        #expect(throws: OptimizerError.self) { try run(nil, 101) }
    }

    @Test("A parameter whose gradients are said to be sparse keeps what has none")
    func sparse() throws {
        let layer = Layer()
        let optimizer = try optimizer(layer, SGD(learningRate: 1, weightDecay: 0.5))
        try optimizer.override(layer.weight, ParameterOverride(["is_sparse": true]))
        for parameter in [layer.weight, layer.bias] {
            parameter.value = .ones([5000])
            parameter.gradient = Tensor([1] + [Float](repeating: 0, count: 4999))
        }
        try optimizer.step()
        #expect(try layer.weight.value.floats()[...1] == [-0.5, 1])
        #expect(try layer.bias.value.floats()[...1] == [-0.5, 0.5])
    }

    @Test("Keys of configuration files mean the same")
    func keys() throws {
        let override = try ParameterOverride([
            "optim_bits": 32, "lr": 0.1, "betas": [0.8, 0.9], "eps": 1e-6, "weight_decay": 0, "min_8bit_size": 10, "skip_zeros": true,
            "max_unorm": 0.5,
        ])
        let same = ParameterOverride(
            bits: .thirtyTwo, learningRate: 0.1, betas: [0.8, 0.9], epsilon: 1e-6, weightDecay: 0, minimum8bitCount: 10, skipsZeros: true,
            others: ["max_unorm": 0.5])
        #expect(override == same)
    }

    @Test("What cannot be meant is an error that says so, and changes nothing")
    func refusals() throws {
        let layer = Layer()
        let optimizer = try optimizer(layer)
        func message(_ body: () throws -> Void) -> String {
            do { try body() } catch { return "\(error)" }
            return "no error"
        }
        #expect(message { _ = try ParameterOverride(["optim_bit": 32]) }.contains("did you mean 'optim_bits'?"))
        #expect(message { _ = try ParameterOverride(["optim_bits": 16]) }.contains("expected 8 or 32"))
        #expect(message { _ = try ParameterOverride(["lr": true]) }.contains("expected a number"))
        #expect(message { try optimizer.override(named: "*.wieght", ParameterOverride(bits: .eight)) }.contains("'*.wieght' matches no parameter"))
        #expect(message { try optimizer.override(Layer().weight, ParameterOverride(bits: .eight)) }.contains("matches no parameter"))
        #expect(message { try optimizer.override(layer.weight, ParameterOverride(others: ["alpha": 1])) }.contains("adamw has no setting 'alpha'"))
        #expect(message { try optimizer.override(layer.weight, ParameterOverride(betas: [0.9, 1.5])) }.contains("betas[1] is 1.5"))
        #expect(message { try optimizer.override(layer.weight, ParameterOverride(learningRate: .nan)) }.contains("lr is nan"))
        try step(optimizer, layer)
        #expect(optimizer.momentByteCount == 2 * blockwise)
        #expect(message { try optimizer.override(layer.weight, ParameterOverride(bits: .thirtyTwo)) }.contains("has its moments already"))
    }

    @Test("Embeddings keep 32-bit moments in one call, which says what that costs, though they wish for them anyway", arguments: [false, true])
    func embeddings(wished: Bool) throws {
        let shapes = [
            ("bert.embeddings.word_embeddings.weight", 30000), ("bert.embeddings.position_embeddings.weight", 6000),
            ("bert.embeddings.token_type_embeddings.weight", 100), ("bert.encoder.weight", 8000),
        ]
        let named = shapes.map { (path: $0, parameter: Parameter(Tensor.zeros([$1]))) }
        func bytes(wished: Bool = false, _ prepare: (Optimizer) throws -> Void) throws -> Int {
            for (_, parameter) in named.prefix(3) { parameter.keeps32BitMoments = wished }
            let optimizer = try Optimizer(groups: [ParameterGroup(named, rule: Adam())], moments: .blockwise8bit())
            try prepare(optimizer)
            for (_, parameter) in named { parameter.gradient = Tensor.zeros(parameter.shape) }
            try optimizer.step()
            return optimizer.momentByteCount
        }
        var upgrade: Optimizer.Upgrade?
        let (plain, kept) = (try bytes { _ in }, try bytes(wished: wished) { upgrade = try $0.keep32BitEmbeddings() })
        #expect(upgrade?.names == shapes.prefix(3).map(\.0))
        #expect(upgrade?.extraByteCount == kept - plain)
        #expect(kept - plain == 2 * (3 * 36000 - 4 * (118 + 24)))
        let optimizer = try Optimizer([(path: "head", parameter: Parameter(Tensor([1.0])))], rule: Adam())
        let none = try optimizer.keep32BitEmbeddings()
        #expect(none.names.isEmpty && none.extraByteCount == 0)
        #expect(throws: OptimizerError.self) { try optimizer.keep32BitMoments(of: named.map(\.parameter)) }
    }
}
