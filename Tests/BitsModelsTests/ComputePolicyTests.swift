import BitsCore
import BitsModels
import BitsNN
import BitsQuant
import Testing
import _BitsTestSupport

@Suite("Compute policies")
struct ComputePolicyTests {
    private let tokens = TokenBatch([3, 1, 4, 1, 5, 9, 2, 6, 5, 35])

    @Test(
        "Activations in 16 bits flow through every layer, to logits and losses in float32 that are near the exact ones",
        arguments: [ComputePolicy.bfloat16, .float16])
    func activations(policy: ComputePolicy) throws {
        let model = TinyModel.llama()
        let exact = model.logits(tokens)
        model.policy = policy
        #expect(model.hiddenStates(tokens).dtype == policy.activations)
        let logits = model.logits(tokens)
        #expect(logits.dtype == .float32)
        let found = try distance(logits, exact)
        #expect(found < (policy.activations == .bfloat16 ? 0.05 : 0.005) && found > 1e-6)
        let loss = model.loss([[3, 1, 4, 1, 5]]).sum
        #expect(loss.dtype == .float32)
    }

    @Test("An encoder's layer norms, positions and segments take 16 bits too", arguments: [ComputePolicy.bfloat16, .float16])
    func encoder(policy: ComputePolicy) throws {
        let backbone = TinyEncoder()
        let model = MaskedLanguageModel(TaskParts(backbone: backbone, named: "encoder", head: TinyPredictions(backbone), named: "predictions"))
        model.randomize(seed: 1)
        let exact = model.logits(TokenBatch([3, 1, 4, 1, 5, 9, 2]))
        model.policy = policy
        #expect(model.hiddenStates(TokenBatch([3, 1, 4])).dtype == policy.activations)
        #expect(try distance(model.logits(TokenBatch([3, 1, 4, 1, 5, 9, 2])), exact) < (policy.activations == .bfloat16 ? 0.05 : 0.005))
    }

    @Test("Gradients of float32 weights through activations in bfloat16 are float32, and near the exact ones")
    func gradients() throws {
        func gradients(_ policy: ComputePolicy) throws -> [Tensor] {
            let model = TinyModel.llama()
            model.policy = policy
            model.setTrainable(true)
            model.loss([[3, 1, 4, 1, 5, 9, 2, 6]]).sum.backward()
            return try model.namedParameters().filter { $0.path.hasSuffix("weight") }.map { try #require($0.parameter.gradient, "\($0.path)") }
        }
        let (exact, found) = (try gradients(.float32), try gradients(.bfloat16))
        #expect(found.allSatisfy { $0.dtype == .float32 })
        for (a, b) in zip(found, exact) { #expect(try distance(a, b) < 0.1) }
    }

    @Test("A policy sets what every product rounds to, of quantized layers and a tied head too")
    func products() throws {
        let model = TinyModel.llama(tiesEmbeddings: true)
        try model.quantize(to: .fourBit(.nf4), skipping: ["up_proj"])
        model.policy.products = .bfloat16
        let layers = model.namedModules().compactMap { $0.module as? any RoundingLayer }
        #expect(layers.count == 15 && layers.allSatisfy { $0.computeDType == .bfloat16 })
        #expect(Set(layers.map { "\(type(of: $0))" }) == ["Linear", "Linear4bit", "TiedLinear"])
    }

    @Test("A cache in 16 bits takes half the memory, and generation with one goes on as without")
    func cache() throws {
        func footprint(_ policy: ComputePolicy) throws -> (bytes: Int, logits: Tensor) {
            let device = Device.deferred()
            let model = TinyModel.llama(device: device)
            model.policy = policy
            let cache = model.makeCache(capacity: 64)
            try device.synchronize()
            let before = device.allocatedByteCount
            let first = noGradient { model.lastLogits(TokenBatch([3, 1, 4], continuing: cache, device: device), cache: cache) }
            _ = try first.floats()
            let logits = noGradient { model.lastLogits(TokenBatch([1], continuing: cache, device: device), cache: cache) }
            _ = try logits.floats()
            return (device.allocatedByteCount - before, logits)
        }
        let (exact, half) = (try footprint(.float32), try footprint(ComputePolicy(cache: .bfloat16)))
        // Two layers of keys and values, 2 heads of width 8, with room for 64 tokens.
        #expect(exact.bytes - half.bytes == 2 * 2 * 64 * 16 * 2)
        #expect(try distance(half.logits, exact.logits) < 0.01)
    }
}
