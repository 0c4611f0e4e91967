import BitsCore
import BitsModels
import BitsNN
import Testing
import _BitsTestSupport

@Suite("Generation")
struct GenerationTests {
    private let model = TinyModel.llama()
    private let prompt: [Int32] = [3, 1, 4, 1, 5]

    private func options(_ count: Int, _ change: (inout GenerationOptions) -> Void = { _ in }) -> GenerationOptions {
        var options = GenerationOptions()
        options.maxNewTokens = count
        change(&options)
        return options
    }

    @Test("Greedy tokens are those of whole passes without a cache")
    func withoutCache() throws {
        let result = try model.generate(prompt, options: options(12))
        var tokens = prompt
        for _ in 0..<12 { tokens.append(Int32(try model.lastLogits(TokenBatch(tokens), cache: nil).argMax().integers()[0])) }
        #expect(result.tokens == Array(tokens.dropFirst(5)))
        #expect(result.promptTokens == 5)
        #expect(Set(result.tokens).count > 2)
    }

    @Test("Drawn tokens are the seed's, and those that a sampler draws from whole passes")
    func sampled() throws {
        func generate(_ seed: UInt64) throws -> [Int32] {
            try model.generate(
                prompt,
                options: options(12) {
                    $0.sampling = SamplingOptions()
                    $0.sampling.repetitionPenalty = 1.3
                    $0.seed = seed
                }
            ).tokens
        }
        #expect(try generate(1) == generate(1))
        #expect(try generate(1) != generate(2))
        var sampling = SamplingOptions()
        sampling.repetitionPenalty = 1.3
        var sampler = TokenSampler(sampling, seed: 1)
        var tokens = prompt
        for _ in 0..<12 { tokens.append(sampler.next(logits: try model.lastLogits(TokenBatch(tokens), cache: nil).floats(), history: tokens)) }
        #expect(try generate(1) == Array(tokens.dropFirst(5)))
    }

    @Test("It ends after an end token, at the wanted length, at the end of the context, or when told to")
    func ends() throws {
        let free = try model.generate(prompt, options: options(12)).tokens
        let end = free[4]
        let first = try #require(free.firstIndex(of: end))
        #expect(try model.generate(prompt, options: options(12) { $0.endTokens = [end] }).tokens == Array(free[...first]))
        #expect(try model.generate(prompt, options: options(3)).tokens == Array(free.prefix(3)))
        #expect(try model.generate(prompt, options: options(0)).tokens == [])
        #expect(try model.generate(prompt, options: options(1000)).tokens.count == 24 - 5)
        var seen: [Int32] = []
        let stopped = try model.generate(prompt, options: options(12)) {
            seen.append($0)
            return seen.count < 2
        }
        #expect(stopped.tokens == Array(free.prefix(2)))
        #expect(seen == stopped.tokens)
    }

    @Test("A prompt that is empty or fills the context, and options out of range, are refused with what to do")
    func refusals() {
        func refusal(_ prompt: [Int32], _ options: GenerationOptions) -> String {
            do {
                _ = try model.generate(prompt, options: options)
                return "nothing"
            } catch { return error.description }
        }
        #expect(refusal([], options(1)).contains("at least one word"))
        let long = refusal([Int32](repeating: 1, count: 24), options(1))
        #expect(long.contains("24 tokens") && long.contains("at most 23"))
        #expect(refusal([Int32](repeating: 1, count: 23), options(5)) == "nothing")
        #expect(refusal([1, 40], options(1)).contains("token 40, the model knows 0 to 39"))
        #expect(refusal([-1], options(1)).contains("token -1"))
        #expect(refusal(prompt, options(-1)).contains("max-new-tokens is -1"))
        #expect(refusal(prompt, options(1) { $0.sampling.topP = 2 }).contains("top-p is 2"))
    }

    @Test("A model that computes NaN is refused at the first token")
    func notANumber() throws {
        var tensors = TinyModel.tensors
        tensors["model.norm.weight"] = Tensor([Float](repeating: .nan, count: 32))
        let damaged = try TinyFolder(tensors: tensors).load().model
        #expect(throws: GenerationError.notANumber(position: 5)) { try damaged.generate(prompt, options: options(2)) }
    }

    @Test("A device's failure comes out of generation")
    func failure() {
        let model = TinyModel.llama(device: .deferred(failingKernels: ["attention"]))
        #expect(throws: GenerationError.device(.kernelFailed("attention", device: "deferred", status: 1))) {
            try model.generate(prompt, options: options(2))
        }
    }

    @Test("Nothing is recorded for gradients, even of a trainable model")
    func noGraph() throws {
        let device = Device.deferred()
        let model = TinyModel.llama(device: device)
        model.setTrainable(true)
        try device.synchronize()
        let before = device.allocatedByteCount
        var largest = 0
        _ = try model.generate([1], options: options(20)) { _ in
            largest = max(largest, device.allocatedByteCount)
            return true
        }
        try device.synchronize()
        #expect(device.allocatedByteCount == before)
        // Two layers' keys and values of 21 tokens, 2 heads of width 8, and a little for the last step.
        #expect(largest < before + 2 * 2 * 21 * 16 * 4 + 4000)
    }
}
