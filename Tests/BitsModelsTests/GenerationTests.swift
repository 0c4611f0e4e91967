import BitsCore
import BitsModels
import BitsNN
import Testing
import _BitsTestSupport

@Suite("Generation")
struct GenerationTests {
    private let model = TinyModel.llama()
    private let prompt: [Int32] = [3, 1, 4, 1, 5]
    private static let drawn = SamplingOptions(temperature: 1.5, topK: 20, topP: 0.95, minP: 0.01, repetitionPenalty: 1.3)

    @Test("Greedy tokens are those of whole passes without a cache")
    func withoutCache() throws {
        let result = try model.generate(prompt, options: GenerationOptions(maxNewTokens: 12))
        var tokens = prompt
        for _ in 0..<12 { tokens.append(Int32(try model.lastLogits(TokenBatch(tokens), cache: nil).argMax().integers()[0])) }
        #expect(result.tokens == Array(tokens.dropFirst(5)))
        #expect(result.promptTokens == 5 && result.ending == .length)
        #expect(Set(result.tokens).count > 2)
    }

    @Test("Drawn tokens are the seed's, and a penalty counts the prompt and what was drawn")
    func sampled() throws {
        func generate(_ seed: UInt64, _ sampling: SamplingOptions = SamplingOptions(repetitionPenalty: 1.3)) throws -> [Int32] {
            try model.generate(prompt, options: GenerationOptions(maxNewTokens: 12, sampling: sampling, seed: seed)).tokens
        }
        #expect(try generate(1) == generate(1))
        #expect(try generate(1) != generate(2))
        // A penalty beyond all bounds leaves no token twice, and none of the prompt's, as long as another one has a positive logit and draws are nearly greedy.
        let once = try generate(1, SamplingOptions(temperature: 1e-3, repetitionPenalty: 1e30))
        #expect(Set(once).count == 12 && Set(once).isDisjoint(with: prompt))
    }

    @Test("The first draw is the sampler's, from the logits of a whole pass")
    func firstDraw() throws {
        let logits = model.lastLogits(TokenBatch(prompt), cache: nil)
        var counts = [Double](repeating: 0, count: 40)
        for seed in 0..<400 as Range<UInt64> {
            let options = GenerationOptions(maxNewTokens: 1, sampling: SamplingOptions(), seed: seed)
            counts[Int(try model.generate(prompt, options: options).tokens[0])] += 1
        }
        // A standard deviation is at most 10 draws of 400.
        for (count, share) in zip(counts, try logits.softmax().floats()) { #expect(abs(count - 400 * Double(share)) < 50) }
    }

    @Test("It ends after an end token, at the wanted length, at the end of the context, or when told to")
    func ends() throws {
        func generate(_ count: Int, ends: Set<Int32>? = nil) throws -> GenerationResult {
            try model.generate(prompt, options: GenerationOptions(maxNewTokens: count, endTokens: ends))
        }
        let free = try generate(12).tokens
        let end = free[4]
        let first = try #require(free.firstIndex(of: end))
        let ended = try generate(12, ends: [end])
        #expect(ended.tokens == Array(free[...first]) && ended.ending == .endToken)
        #expect(try generate(3).tokens == Array(free.prefix(3)))
        #expect(try generate(0).tokens == [])
        #expect(try generate(1000).tokens.count == 24 - 5)
        var seen: [Int32] = []
        let stopped = try model.generate(prompt, options: GenerationOptions(maxNewTokens: 12)) {
            seen.append($0)
            return seen.count < 2
        }
        #expect(stopped.tokens == Array(free.prefix(2)) && stopped.ending == .stopped)
        #expect(seen == stopped.tokens)
    }

    @Test("Without other end tokens those of the model count")
    func modelsEndTokens() throws {
        let free = try model.generate(prompt, options: GenerationOptions(maxNewTokens: 12)).tokens
        let other = TinyModel.llama()
        other.endTokens = [free[3], 99]
        let first = try #require(free.firstIndex(of: free[3]))
        #expect(try other.generate(prompt).tokens == Array(free[...first]))
        #expect(try other.generate(prompt, options: GenerationOptions(maxNewTokens: 12, endTokens: [])).tokens == free)
    }

    @Test(
        "Prompts continued together get what each gets alone, greedy and drawn, whatever their lengths and ends",
        arguments: [SamplingOptions.greedy, drawn], [DType.float32, .bfloat16])
    func together(sampling: SamplingOptions, cacheType: DType) throws {
        let prompts: [[Int32]] = [prompt, [7], [2, 7, 1, 8, 2, 8, 1, 8, 2, 8, 4, 5, 9], [7], (0..<22).map { Int32($0) }, [3, 1, 4]]
        let ends = Set([try model.generate([7], options: GenerationOptions(maxNewTokens: 6)).tokens[5]])
        let options = GenerationOptions(maxNewTokens: 15, sampling: sampling, endTokens: ends, seed: 40, cacheType: cacheType)
        var calls = [[Int32]](repeating: [], count: prompts.count)
        let together = try model.generate(prompts, options: options) { prompt, token in
            calls[prompt].append(token)
            return prompt != 5 || calls[5].count < 4
        }
        for (index, prompt) in prompts.enumerated() {
            var (own, count) = (options, 0)
            own.seed += UInt64(index)
            let alone = try model.generate(prompt, options: own) { _ in
                count += 1
                return index != 5 || count < 4
            }
            #expect(together[index].tokens == alone.tokens && together[index].ending == alone.ending, "prompt \(index)")
        }
        #expect(calls == together.map(\.tokens))
        #expect(Set(together.map(\.tokens.count)).count > 2 && together[4].tokens.count <= 2 && together[5].tokens.count <= 4)
        #expect(sampling == .greedy || together[1].tokens != together[3].tokens, "the same prompt with the next seed")
    }

    @Test("Keys and values in 16 bits change the logits a little, and take half the memory")
    func cacheType() throws {
        func peak(_ type: DType) throws -> Int {
            let device = Device.deferred()
            let model = TinyModel.llama(device: device)
            _ = try model.generate([1], options: GenerationOptions(maxNewTokens: 1))
            let before = device.allocatedByteCount
            var peak = 0
            _ = try model.generate([1], options: GenerationOptions(maxNewTokens: 20, cacheType: type)) { _ in
                peak = max(peak, device.allocatedByteCount)
                return true
            }
            return peak - before
        }
        // Two layers' keys and values of 21 tokens, 2 heads of width 8.
        let entries = 2 * 2 * 21 * 16
        #expect(try peak(.float32) - peak(.bfloat16) == 2 * entries)
        #expect(try peak(.float16) == peak(.bfloat16))
        func logits(_ type: DType) throws -> Tensor {
            let cache = model.makeCache(sequences: 1, capacity: 5, dtype: type)
            return noGradient { model.logits(TokenBatch(prompt, continuing: cache), cache: cache) }
        }
        let found = try distance(logits(.bfloat16), logits(.float32))
        #expect(found < 0.02 && found > 1e-5)
    }

    @Test("A prompt that is empty or fills the context, and options out of range, are refused with what to do")
    func refusals() {
        func refusal(_ prompt: [Int32], _ options: GenerationOptions) -> String {
            do {
                _ = try model.generate(prompt, options: options)
                return "nothing"
            } catch { return error.description }
        }
        let one = GenerationOptions(maxNewTokens: 1)
        #expect(refusal([], one).contains("at least one word"))
        let long = refusal([Int32](repeating: 1, count: 24), one)
        #expect(long.contains("24 tokens") && long.contains("at most 23"))
        #expect(refusal([Int32](repeating: 1, count: 23), GenerationOptions(maxNewTokens: 5)) == "nothing")
        #expect(refusal([1, 40], one).contains("token 40, the model knows 0 to 39"))
        #expect(refusal([-1], one).contains("token -1"))
        #expect(refusal(prompt, GenerationOptions(maxNewTokens: -1)).contains("max-new-tokens is -1"))
        #expect(refusal(prompt, GenerationOptions(sampling: SamplingOptions(topP: 2))).contains("top-p is 2"))
        #expect(refusal(prompt, GenerationOptions(stopStrings: ["x"])).contains("TextCompletion"))
    }

    @Test("A model that computes NaN is refused at the first token", arguments: [SamplingOptions.greedy, drawn])
    func notANumber(sampling: SamplingOptions) throws {
        var tensors = TinyModel.tensors
        tensors["model.norm.weight"] = Tensor([Float](repeating: .nan, count: 32))
        let damaged = try TinyFolder(tensors: tensors).load().model
        #expect(throws: GenerationError.notANumber(position: 5)) {
            try damaged.generate(prompt, options: GenerationOptions(maxNewTokens: 2, sampling: sampling))
        }
    }

    @Test("A device's failure comes out of generation")
    func failure() {
        let model = TinyModel.llama(device: .deferred(failingKernels: ["attention"]))
        #expect(throws: GenerationError.device(.kernelFailed("attention", device: "deferred", status: 1))) {
            try model.generate(prompt, options: GenerationOptions(maxNewTokens: 2))
        }
    }

    @Test("A device whose memory the host cannot touch generates the same", arguments: [SamplingOptions.greedy, drawn])
    func secondDevice(sampling: SamplingOptions) throws {
        let options = GenerationOptions(maxNewTokens: 10, sampling: sampling, seed: 5)
        let prompts: [[Int32]] = [prompt, [7, 8]]
        let expected = try model.generate(prompts, options: options).map(\.tokens)
        #expect(try TinyModel.llama(device: .deferred()).generate(prompts, options: options).map(\.tokens) == expected)
    }

    @Test("A token costs one late read, while the next one is on its way, no other wait, no upload, and the same kernels as the one before")
    func waits() throws {
        let device = Device.deferred()
        let model = TinyModel.llama(device: device)
        let count = 12
        device.forgetCounts()
        var counts: [DeferredCounts] = []
        _ = try model.generate([[3, 1, 4], [1, 5]], options: GenerationOptions(maxNewTokens: count, sampling: GenerationTests.drawn)) { prompt, _ in
            if prompt == 0 { counts.append(device.counts) }
            return true
        }
        #expect(device.counts.lateReads == count && device.counts.hostWaits == count)
        #expect(device.counts.uploads == counts[0].uploads)
        // The prompts' pass draws the first tokens; every other draw has been submitted when the token before it is seen.
        #expect(counts.map { $0.kernels["sample_tokens"] } == (1...count).map { 1 + min($0, count - 1) })
        let steps = zip(counts.dropFirst(), counts).map { later, earlier in later.kernels.merging(earlier.kernels, uniquingKeysWith: -) }
        #expect(Set(steps.dropLast(1)).count == 1 && (steps.first?["attention"] ?? 0) == 2)
    }

    @Test("Nothing is recorded for gradients, even of a trainable model, and nothing is kept")
    func noGraph() throws {
        let device = Device.deferred()
        let model = TinyModel.llama(device: device)
        model.setTrainable(true)
        // The angles by position are made once and stay.
        _ = try model.generate([1], options: GenerationOptions(maxNewTokens: 1))
        try device.synchronize()
        let before = device.allocatedByteCount
        var largest = 0
        _ = try model.generate([1], options: GenerationOptions(maxNewTokens: 20)) { _ in
            largest = max(largest, device.allocatedByteCount)
            return true
        }
        try device.synchronize()
        #expect(device.allocatedByteCount == before)
        // Two layers' keys and values of 21 tokens, 2 heads of width 8, and a little for the last step.
        #expect(largest < before + 2 * 2 * 21 * 16 * 4 + 4000)
    }
}
