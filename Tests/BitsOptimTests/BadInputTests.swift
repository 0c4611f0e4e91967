import BitsCore
import BitsOptim
import Testing
import _BitsTestSupport

@Suite("What an optimizer refuses")
struct BadInputTests {
    private func message(_ body: () throws -> Void) -> String {
        do { try body() } catch { return "\(error)" }
        return "no error"
    }

    private let one = [Parameter(Tensor([1.0]))]

    @Test("Settings out of their range, by name")
    func settings() {
        for (rule, text) in [
            (AdamW(learningRate: -1), "adamw: lr is -1.0"), (AdamW(learningRate: .nan), "lr is nan"), (Adam(betas: (1, 0.9)), "betas[0] is 1.0"),
            (Adam(betas: (0.9, -0.1)), "betas[1] is -0.1"), (Lion(betas: (0.9, .nan)), "betas[1] is nan"), (Adam(epsilon: -1), "eps is -1.0"),
            (AdamW(weightDecay: .infinity), "weight_decay is inf"), (AdEMAMix(betas: (0.9, 0.9, 1)), "betas[2] is 1.0"),
            (AdEMAMix(alphaSteps: -3), "t_alpha is -3.0"), (RMSprop(alpha: 1), "alpha is 1.0"), (RMSprop(alpha: 0), "alpha is 0.0"),
            (SGD(learningRate: 1, momentum: 1), "momentum is 1.0"),
            (SGD(learningRate: 1, nesterov: true), "nesterov needs a momentum"),
            (SGD(learningRate: 1, momentum: 0.9, dampening: 0.1, nesterov: true), "nesterov needs a momentum and no dampening"),
            (Adagrad(learningRateDecay: -1), "lr_decay is -1.0"), (LAMB(maxUpdateNorm: -1), "max_unorm is -1.0"),
        ] as [(any UpdateRule, String)] {
            #expect(message { _ = try Optimizer(groups: [ParameterGroup(one, rule: rule)]) }.contains(text))
        }
    }

    @Test("Moments that 8 bits cannot carry, with the reason")
    func objections() throws {
        for (rule, text) in [
            (Adam(amsgrad: true), "amsgrad"), (AdamW(amsgrad: true), "amsgrad"), (LAMB(amsgrad: true), "amsgrad"),
            (RMSprop(centered: true), "centered"),
        ] as [(any UpdateRule, String)] {
            let found = message { _ = try Optimizer(groups: [ParameterGroup(one, rule: rule)], moments: .blockwise8bit()) }
            #expect(found.contains(text) && found.contains("use 32-bit moments"))
            let optimizer = try Optimizer(groups: [ParameterGroup([Parameter(Tensor.zeros([5000]))], rule: rule)])
            #expect(message { try optimizer.override(optimizer.groups[0].parameters, ParameterOverride(bits: .eight)) }.contains(text))
        }
    }

    @Test("No parameters, one twice, one of whole numbers")
    func parameters() {
        #expect(message { _ = try Optimizer([Parameter](), rule: Adam()) }.contains("at least one parameter"))
        let twice: [Parameter] = one + one
        #expect(message { _ = try Optimizer(twice, rule: Adam()) }.contains("appears twice"))
        let groups = [ParameterGroup(one, rule: Adam()), ParameterGroup(one, names: ["head"], rule: Adam())]
        #expect(message { _ = try Optimizer(groups: groups) }.contains("head appears twice"))
        #expect(message { _ = try Optimizer([Parameter(Tensor([1] as [UInt8]))], rule: Adam()) }.contains("it is uint8"))
    }

    @Test("A bad gradient stops the step before anything is changed")
    func gradients() throws {
        let parameters = [Parameter(Tensor([1.0, 2.0])), Parameter(Tensor([3.0, 4.0]))]
        let optimizer = try Optimizer(parameters, rule: SGD(learningRate: 1))
        parameters[0].gradient = Tensor([1.0, 1.0])
        parameters[1].gradient = Tensor([1, 1] as [Int32])
        #expect(message { try optimizer.step() }.contains("the gradient of parameter 1 is int32"))
        parameters[1].gradient = try Tensor([1.0, 1.0]).moved(to: .deferred())
        #expect(message { try optimizer.step() }.contains("on deferred; expected floating-point numbers of shape [2] on cpu"))
        parameters[1].gradient = nil
        parameters[1].value = Tensor([3.0, 4.0, 5.0])
        parameters[1].gradient = Tensor([1.0, 1.0, 1.0])
        parameters[1].value = Tensor([3.0, 4.0])
        #expect(message { try optimizer.step() }.contains("the gradient of parameter 1 is float32 of shape [3]"))
        #expect(try parameters[0].value.floats() == [1, 2])
        #expect(optimizer.stepCount == 0)
    }

    @Test("Settings that are changed to nonsense stay what they were")
    func changes() throws {
        let optimizer = try Optimizer(one, rule: SGD(learningRate: 1))
        #expect(throws: OptimizerError.self) { try optimizer.setLearningRate(-1) }
        #expect(optimizer.groups[0].rule.learningRate == 1)
        #expect(throws: OptimizerError.self) { try Optimizer(one, rule: SGD(learningRate: 1), clipping: .norm(0)) }
        #expect(throws: OptimizerError.self) { try Optimizer(one, rule: SGD(learningRate: 1), clipping: .percentile(100)) }
    }

    @Test("Moments that the device has no memory for are an error before any parameter changes")
    func noMemory() throws {
        let device = Device.deferred(capacity: 30_000)  // parameters, gradients and codebooks take 18,048, the moments of one parameter 8,000
        let parameters = (0..<2).map { _ in Parameter(Tensor.ones([1000], device: device)) }
        for parameter in parameters { parameter.gradient = Tensor.ones([1000], device: device) }
        try device.synchronize()
        let optimizer = try Optimizer(parameters, rule: AdamW())
        // The codebooks and the first parameter's moments were there, and one moment of the second.
        let held: MemoryUse = [.weights: 8000, .gradients: 8000, .moments: 2048 + 8000]
        #expect(throws: OptimizerError.device(.outOfMemory(byteCount: 4000, device: "deferred", held: held))) { try optimizer.step() }
        #expect(optimizer.momentByteCount == 0 && optimizer.stepCount == 0)
        #expect(try parameters[0].value.floats()[0] == 1)
        parameters[1].gradient = nil
        try optimizer.step()
        #expect(try parameters[0].value.floats()[0] < 1)
    }

    @Test("The number of moments cannot change after the first step")
    func momentCount() throws {
        let optimizer = try Optimizer(one, rule: SGD(learningRate: 1))
        one[0].gradient = Tensor([1.0])
        try optimizer.step()
        try optimizer.changeRules { $0 = SGD(learningRate: 1, momentum: 0.9) }
        #expect(message { try optimizer.step() }.contains("it now needs 1 moments"))
    }
}
