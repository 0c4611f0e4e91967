import BitsCore
import BitsModels
import BitsNN
import BitsQuant
import Testing
import _BitsTestSupport

@Suite("Prompts that are read together")
struct PromptBatchTests {
    /// Of 48 tokens together, where a tiny model's context is 24.
    private static let prompts: [[Int32]] = [
        [7], [3, 1, 4, 1, 5, 9, 2, 6, 5, 35], [2, 7, 1, 8], [1, 6, 1, 8, 0, 3, 3, 9, 8, 8, 7, 4], [5, 7, 7, 2, 1, 5, 6], [39, 0],
        (10..<22).map { Int32($0) },
    ]

    private static func stretched(_ scaling: RotaryEmbedding.Scaling) -> LlamaConfiguration {
        var configuration = TinyModel.configuration
        configuration.rotary = RotaryEmbedding(headWidth: 8, theta: 10_000, scaling: scaling)
        return configuration
    }

    private static let dynamic = stretched(.dynamic(factor: 4, originalContext: 4))
    private static let longRope = stretched(.longRope(short: [1, 1, 2, 2], long: [1, 2, 4, 8], originalContext: 6))

    private func expectSame(_ model: CausalLanguageModel) throws {
        let options = GenerationOptions(maxNewTokens: 4, endTokens: [])
        let together = try model.generate(Self.prompts, options: options).map(\.tokens)
        #expect(try together == Self.prompts.map { try model.generate($0, options: options).tokens })
        #expect(Set(together).count > 3)
    }

    @Test(
        "Each is continued as alone, by every family: windows, biases by distance, positions, bounded scores and experts", arguments: TinyFamily.all)
    func families(family: TinyFamily) throws { try expectSame(try family.model()) }

    @Test("What has ended stays so, whatever prompts it is given")
    func ended() throws {
        let decoder = Decoder(TinyModel.llama(), seeds: [0, 1, 2], capacity: 24)
        decoder.end(0)
        decoder.end(1)
        decoder.start(with: [[1], [2, 3], [4]])
        let drawn = try decoder.latest().integers()
        #expect(drawn[0] == -1 && drawn[1] == -1 && drawn[2] >= 0)
    }

    @Test("Each is continued as alone where angles go by the length of a text")
    func dynamicAngles() throws { try expectSame(TinyModel.llama(Self.dynamic)) }

    @Test("Each is continued as alone in 4 bits, on a device whose memory the host cannot touch too", arguments: [false, true])
    func quantized(isDeferred: Bool) throws {
        let model = TinyModel.llama(device: isDeferred ? .deferred() : .cpu)
        try model.quantize(to: .fourBit(.nf4))
        try expectSame(model)
    }

    /// In how many passes prompts of `lengths` tokens are read.
    private func passes(_ lengths: [Int], _ configuration: LlamaConfiguration = TinyModel.configuration) -> Int? {
        let device = Device.deferred()
        let model = TinyModel.llama(configuration, device: device)
        let decoder = Decoder(model, seeds: lengths.map { UInt64($0) }, capacity: configuration.contextLength)
        device.forgetCounts()
        decoder.start(with: lengths.map { [Int32](repeating: 1, count: $0) })
        let draws = device.counts.kernels["sample_tokens"]
        #expect(device.counts.kernels["attention"] == draws.map { 2 * $0 }, "of two layers")
        return draws
    }

    @Test(
        "As many as follow one another share a pass as fill the context",
        arguments: [
            ([5], 1), ([10, 4, 10], 1), ([20, 5], 2), ([12, 13, 11], 2), ([23, 1, 1], 2), ([24, 24], 2), ([Int](repeating: 1, count: 24), 1),
            ([Int](repeating: 1, count: 25), 2),
        ])
    func passesOfContext(lengths: [Int], expected: Int) { #expect(passes(lengths) == expected) }

    @Test("Or 2048 tokens, of a longer context", arguments: [([2000, 48], 1), ([2000, 49], 2), ([3000, 1, 1], 2)])
    func passesOfTokens(lengths: [Int], expected: Int) {
        var configuration = TinyModel.configuration
        configuration.contextLength = 4000
        #expect(passes(lengths, configuration) == expected)
    }

    @Test("Angles by the length that a text has keep each in a pass of its own, those by the length that it may get do not")
    func passesByAngles() {
        #expect(passes([2, 3, 2], Self.dynamic) == 3)
        #expect(passes([2, 3, 2], Self.longRope) == 1)
    }

    @Test("One whose beginning is in the cache is read from there on, in a pass of its own")
    func beginnings() throws {
        let device = Device.deferred()
        let (model, prompts) = (TinyModel.llama(device: device), Self.prompts)
        let cache = model.makeCache(sequences: prompts.count, capacity: 24)
        let own = cache[3]
        _ = noGradient { model.logits(TokenBatch(Array(prompts[3].prefix(5)), continuing: own, device: device), cache: own) }
        device.forgetCounts()
        let decoder = Decoder(model, seeds: prompts.map { _ in 0 }, continuing: cache)
        decoder.start(with: prompts)
        #expect(device.counts.kernels["sample_tokens"] == 3)
        decoder.step()
        let options = GenerationOptions(maxNewTokens: 2, endTokens: [])
        #expect(try decoder.latest().integers() == prompts.map { Int(try model.generate($0, options: options).tokens[1]) })
    }

    @Test("What is no number in one of them stays there, and the error says at which token")
    func notANumber() throws {
        var tensors = TinyModel.tensors
        var table = try #require(tensors["model.embed_tokens.weight"]).floats()
        for index in 17 * 32..<18 * 32 { table[index] = .nan }
        tensors["model.embed_tokens.weight"] = Tensor(table, shape: [40, 32])
        let model = try TinyFolder(tensors: tensors).load().model
        var prompts = Self.prompts.filter { !$0.contains(17) }
        let whole = try model.generate(prompts, options: GenerationOptions(maxNewTokens: 1)).map { Int($0.tokens[0]) }
        prompts.insert([3, 17, 1], at: 2)
        let decoder = Decoder(model, seeds: prompts.map { _ in 0 }, capacity: 24)
        decoder.start(with: prompts)
        #expect(try decoder.latest().integers() == whole[..<2] + [-2] + whole[2...])
        #expect(throws: GenerationError.notANumber(position: 3)) { try model.generate(prompts) }
    }
}
