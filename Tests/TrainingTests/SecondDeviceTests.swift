import BitsCore
import BitsModels
import BitsNN
import BitsOptim
import BitsQuant
import Testing
import _BitsTestSupport

/// Nothing above the kernels may follow a device's memory or expect its work to be done: a device that allows neither trains the same.
@Suite("Training on a second device")
struct SecondDeviceTests {
    /// Devices that are not the processor, each made when it is asked for.
    private enum Second: CaseIterable {
        case deferred
        /// The one that is tested, where that is not the processor.
        case tested

        static let all = allCases.filter { $0 == .deferred || Device.tested != .cpu }

        var device: Device { self == .deferred ? .deferred() : .tested }
    }

    @Test("A tiny Llama in 4 bits gets the gradients that it gets on the processor", arguments: Second.all)
    private func gradients(second: Second) throws {
        let cpu = try TinyTraining(on: .cpu)
        let other = try TinyTraining(on: second.device)
        #expect(try abs(cpu.lossWithGradients().item() - other.lossWithGradients().item()) < 1e-5)
        #expect(cpu.parameters.count == other.parameters.count && cpu.parameters.count > 5)
        for (a, b) in zip(cpu.parameters, other.parameters) {
            let expected = try #require(a.parameter.gradient).floats().map(Double.init)
            #expect(largestDifference(try #require(b.parameter.gradient).floats(), from: expected) < 1e-5, "\(a.path)")
            #expect(expected.contains { $0 != 0 }, "\(a.path)")
        }
    }

    @Test("Steps with 8-bit moments, clipping and a schedule lower the loss alike", arguments: Second.all)
    private func steps(second: Second) throws {
        let cpu = try TinyTraining(on: .cpu).losses(steps: 5)
        let other = try TinyTraining(on: second.device).losses(steps: 5)
        #expect(cpu.last! < cpu.first! - 0.5)
        for (a, b) in zip(cpu, other) { #expect(abs(a - b) < 2e-3) }
    }

    @Test("Generation with a cache chooses the same tokens, of one prompt and of several", arguments: Second.all)
    private func generation(second: Second) throws {
        for prompts in [[[3, 1, 4, 1, 5]], [[3, 1, 4, 1, 5], [9], [2, 6, 5, 3, 5, 8, 9, 7]]] as [[[Int32]]] {
            let cpu = try TinyTraining(on: .cpu).continuations(of: prompts, count: 6)
            #expect(try TinyTraining(on: second.device).continuations(of: prompts, count: 6) == cpu)
        }
    }

    @Test("A released model and its gradients give their memory back")
    func memory() throws {
        let device = Device.deferred()
        do {
            let training = try TinyTraining(on: device)
            _ = try training.losses(steps: 1)
            #expect(device.allocatedByteCount > 0)
        }
        try device.synchronize()
        #expect(device.allocatedByteCount == 0)
    }
}

/// A Llama of two layers with random weights, its linear layers in 4 bits, and two padded sequences to learn.
final class TinyTraining {
    let model: CausalLanguageModel
    let tokens: TokenBatch
    let targets: [Int32]
    var parameters: [(path: String, parameter: Parameter)] { model.namedParameters().filter(\.parameter.isTrainable) }

    init(on device: Device) throws {
        let configuration = LlamaConfiguration(vocabularySize: 50, width: 32, innerWidth: 64, layers: 2, heads: 4, keyValueHeads: 2)
        model = Llama.languageModel(configuration, tiesEmbeddings: true)
        var generator = RandomGenerator(seed: 7)
        for (_, parameter) in model.namedParameters() {
            let isNorm = parameter.shape.count == 1
            let deviation = parameter.shape[0] == 50 ? 1 : 1 / Float(parameter.shape.last ?? 1).squareRoot()
            parameter.value =
                isNorm
                ? .ones(parameter.shape, device: device) : .normal(parameter.shape, standardDeviation: deviation, using: &generator, device: device)
            parameter.isTrainable = true
        }
        try model.quantize(to: .fourBit(.nf4))
        let rows: [[Int32]] = [[3, 1, 4, 1, 5, 9, 2, 6], [2, 7, 1, 8, 0, 0, 0, 0]]
        tokens = TokenBatch(rows, mask: [[Bool](repeating: true, count: 8), (0..<8).map { $0 < 4 }], device: device)
        targets = [1, 4, 1, 5, 9, 2, 6, -100, 7, 1, 8, -100, -100, -100, -100, -100]
    }

    func lossWithGradients() throws -> Tensor {
        let loss = model.loss(tokens, targets: targets) * (1 / 10)
        loss.backward()
        return loss
    }

    func losses(steps: Int) throws -> [Float] {
        let optimizer = try Optimizer(
            parameters.map(\.parameter), rule: AdamW(learningRate: 0.02), moments: .blockwise8bit(minimumCount: 0), clipping: .norm(1))
        return try (0..<steps).map { _ in
            let loss = try optimizer.step { try lossWithGradients() }
            optimizer.clearGradients()
            return try loss.item()
        }
    }

    func continuations(of prompts: [[Int32]], count: Int) throws -> [[Int32]] {
        try model.generate(prompts, options: GenerationOptions(maxNewTokens: count)).map(\.tokens)
    }
}
