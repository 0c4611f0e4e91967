import BitsCore
import BitsOptim
import Testing
import _BitsTestSupport

@Suite("Gradient clipping")
struct ClippingTests {
    private func parameters(scale: Float, dtype: DType = .float32) -> [Parameter] {
        [300, 5000].enumerated().map { i, count in
            let parameter = Parameter(Tensor.zeros([count], dtype: dtype))
            parameter.gradient = Tensor(HostileFloats.ordinary(count: count, seed: UInt64(i + 1)).map { $0 * scale }, dtype: dtype)
            return parameter
        }
    }

    private func norm(_ parameters: [Parameter]) throws -> Double {
        try parameters.reduce(0.0) { try $0 + ($1.gradient?.floats() ?? []).reduce(0.0) { $0 + Double($1) * Double($1) } }.squareRoot()
    }

    @Test("By norm, all gradients shrink together", arguments: [DType.float32, .float16, .bfloat16])
    func byNorm(dtype: DType) throws {
        let parameters = parameters(scale: 1, dtype: dtype)
        let before = try norm(parameters)
        let gradients = try parameters.map { try $0.gradient!.floats() }
        let optimizer = try Optimizer(parameters, rule: SGD(learningRate: 1), clipping: .norm(1))
        try optimizer.step()
        let found = try #require(optimizer.gradientNorm)
        #expect(abs(Double(try found.value()) - before) <= 1e-6 * before)
        #expect(try found.nonFiniteCount() == 0)
        let factor = Float(1 / (before + 1e-6))
        for (parameter, gradient) in zip(parameters, gradients) {
            for (p, g) in zip(try parameter.value.floats(), gradient) { #expect(abs(p + factor * g) <= 1e-2 * abs(factor * g) + 1e-7) }
        }
    }

    @Test("The norm of one step can be read when the next has been submitted; no step waits")
    func lateNorm() throws {
        let device = Device.deferred()
        let parameter = Parameter(Tensor.zeros([2], device: device))
        let optimizer = try Optimizer([parameter], rule: SGD(learningRate: 1), clipping: .norm(1))
        var norms: [LateGradientNorm] = []
        for gradient in [[3, 4], [.nan, 12]] as [[Float]] {
            parameter.gradient = Tensor(gradient, device: device)
            try optimizer.step()
            norms.append(try #require(optimizer.gradientNorm).readLater())
        }
        #expect(device.counts.hostWaits == 0)
        #expect(try norms.map { try $0.value() } == [5, 12])
        #expect(try norms.map { try $0.nonFiniteCount() } == [0, 1])
        #expect(device.counts.hostWaits == device.counts.lateReads)
    }

    @Test("Gradients within the norm stay as they are")
    func withinNorm() throws {
        let (a, b) = (parameters(scale: 1e-3), parameters(scale: 1e-3))
        try Optimizer(a, rule: SGD(learningRate: 1), clipping: .norm(1)).step()
        try Optimizer(b, rule: SGD(learningRate: 1)).step()
        for (a, b) in zip(a, b) { #expect(try a.value.floats() == b.value.floats()) }
    }

    @Test("A gradient that is not finite does not count for the norm, and is reported")
    func nonFinite() throws {
        let parameters = parameters(scale: 1)
        let before = try norm(parameters)
        var gradient = try parameters[0].gradient!.floats()
        let lost = Double(gradient[3]) * Double(gradient[3]) + Double(gradient[4]) * Double(gradient[4])
        (gradient[3], gradient[4]) = (.nan, .infinity)
        parameters[0].gradient = Tensor(gradient)
        let optimizer = try Optimizer(parameters, rule: SGD(learningRate: 1), clipping: .norm(1))
        try optimizer.step()
        let found = try #require(optimizer.gradientNorm)
        #expect(abs(Double(try found.value()) - (before * before - lost).squareRoot()) < 1e-5 * before)
        #expect(try found.nonFiniteCount() == 2)
        #expect(try parameters[0].value.floats()[3...4] == [0, 0])
    }

    @Test("By value, every element is limited")
    func byValue() throws {
        let parameters = parameters(scale: 1)
        let gradients = try parameters.map { try $0.gradient!.floats() }
        try Optimizer(parameters, rule: SGD(learningRate: 1), clipping: .value(0.5)).step()
        for (parameter, gradient) in zip(parameters, gradients) {
            #expect(try parameter.value.floats() == gradient.map { -min(max($0, -0.5), 0.5) })
        }
    }

    @Test("Clipping before a step does what clipping in it does")
    func functions() throws {
        let (a, b) = (parameters(scale: 1), parameters(scale: 1))
        let norm = try #require(clipGradients(of: a, toNorm: 1))
        try Optimizer(a, rule: SGD(learningRate: 1)).step()
        let optimizer = try Optimizer(b, rule: SGD(learningRate: 1), clipping: .norm(1))
        try optimizer.step()
        #expect(try norm.value() == optimizer.gradientNorm?.value())
        for (a, b) in zip(a, b) { #expect(try a.value.floats() == b.value.floats()) }
        let (c, d) = (parameters(scale: 1), parameters(scale: 1))
        clipGradients(of: c, toValue: 0.3)
        try Optimizer(c, rule: SGD(learningRate: 1)).step()
        try Optimizer(d, rule: SGD(learningRate: 1), clipping: .value(0.3)).step()
        for (c, d) in zip(c, d) { #expect(try c.value.floats() == d.value.floats()) }
        #expect(clipGradients(of: [Parameter(Tensor([1.0]))], toNorm: 1) == nil)
    }

    @Test(
        "A scale counts before gradients are clipped, in every way of clipping",
        arguments: [nil, .norm(1), .value(0.5), .percentile(0)] as [GradientClipping?])
    func scale(clipping: GradientClipping?) throws {
        func run(scale: Float, _ gradientScale: Double) throws -> ([[Float]], Float?) {
            let parameters = parameters(scale: scale)
            let optimizer = try Optimizer(parameters, rule: SGD(learningRate: 1), clipping: clipping)
            optimizer.gradientScale = gradientScale
            try optimizer.step()
            for parameter in parameters { parameter.gradient = parameter.gradient! * 4 }
            try optimizer.step()
            return (try parameters.map { try $0.value.floats() }, try optimizer.gradientNorm?.value())
        }
        let (scaled, plain) = (try run(scale: 1024, 0x1p-10), try run(scale: 1, 1))
        #expect(scaled.0 == plain.0 && scaled.1 == plain.1)
        #expect(try run(scale: 1, 1).0 != run(scale: 1, clipping == nil ? 0.5 : 0.25).0 || clipping == .norm(1))
        let optimizer = try Optimizer(parameters(scale: 1), rule: SGD(learningRate: 1))
        for wrong in [0, -1, .nan, .infinity] as [Double] {
            optimizer.gradientScale = wrong
            #expect(throws: OptimizerError.self) { try optimizer.step() }
        }
    }

    @Test("By percentile, every rule takes every type of gradient scaled", arguments: OptimizerTests.rules.indices, OptimizerTests.storages)
    func percentileOfEveryRule(rule: Int, storage: MomentStorage) throws {
        for dtype in [DType.float32, .float16, .bfloat16] {
            func run(_ clipping: GradientClipping?, _ factors: [Float]) throws -> [Float] {
                let parameter = OptimizerTests.parameter(600, seed: 1, dtype: dtype)
                let group = ParameterGroup([parameter], rule: OptimizerTests.rules[rule])
                let optimizer = try Optimizer(groups: [group], moments: storage, clipping: clipping)
                let gradient = Tensor(HostileFloats.ordinary(count: 600, seed: 2), dtype: dtype)
                for factor in factors {
                    parameter.gradient = Tensor(try gradient.floats().map { $0 * factor }, dtype: dtype)
                    try optimizer.step()
                }
                return try parameter.value.floats()
            }
            // Norms of 1, 4 and 1/2 the first: held to the least so far, the second is cut to a quarter and the third stays.
            #expect(try run(.percentile(0), [1, 4, 0.5]) == run(nil, [1, 1, 0.5]))
        }
    }

    @Test("By percentile, a gradient is held to the norms of its last hundred steps", arguments: [DType.float32, .bfloat16], [5, 50, 99])
    func byPercentile(dtype: DType, percentile: Int) throws {
        let count = 64
        let parameter = Parameter(Tensor.zeros([count], dtype: .float32))
        let optimizer = try Optimizer([parameter], rule: SGD(learningRate: 1), clipping: .percentile(percentile))
        var history = [Double](repeating: 0, count: 100)
        var expected = [Double](repeating: 0, count: count)
        for t in 1...130 {
            let size = Float(1 + (t * 37) % 11)
            let gradient = Tensor(HostileFloats.ordinary(count: count, seed: UInt64(t)).map { $0 * size }, dtype: dtype)
            let values = try gradient.floats().map { Double($0) }
            parameter.gradient = gradient
            try optimizer.step()
            let squared = values.reduce(0) { $0 + $1 * $1 }
            if t == 1 { history = history.map { _ in squared } } else { history[t % 100] = squared }
            let (current, clip) = (history[t % 100].squareRoot(), history.sorted()[percentile].squareRoot())
            let scale = current > clip ? clip / current : 1
            for i in 0..<count { expected[i] -= scale * values[i] }
        }
        for (found, wanted) in zip(try parameter.value.floats(), expected) { #expect(abs(Double(found) - wanted) < 1e-3) }
    }
}
