import BitsCore
import BitsModels
import BitsNN
import BitsQuant
import Testing
import _BitsTestSupport

@Suite("Llama")
struct LlamaTests {
    private let model = TinyModel.llama()
    private let ids: [Int32] = [3, 1, 4, 1, 5, 9, 2, 6, 5, 35]

    @Test("Parameters have the names of Hugging Face's checkpoints")
    func names() {
        var configuration = TinyModel.configuration
        configuration.layers = 1
        let attention = ["q_proj", "k_proj", "v_proj", "o_proj"].flatMap { ["self_attn.\($0).weight", "self_attn.\($0).bias"] }
        let feedForward = ["gate_proj", "up_proj", "down_proj"].map { "mlp.\($0).weight" }
        let block = attention + feedForward + ["input_layernorm.weight", "post_attention_layernorm.weight"]
        let names = ["model.embed_tokens.weight"] + block.map { "model.layers.0.\($0)" } + ["model.norm.weight", "lm_head.weight"]
        #expect(TinyModel.llama(configuration).namedParameters().map(\.path) == names)
        #expect(TinyModel.llama(configuration, tiesEmbeddings: true).namedParameters().map(\.path) == names.dropLast())
    }

    @Test(
        "With a cache, in any pieces, logits are those of the whole sequence",
        arguments: [[10], [1, 1, 1, 1, 1, 1, 1, 1, 1, 1], [4, 1, 5], [9, 1]])
    func cache(pieces: [Int]) throws {
        let whole = model.logits(TokenBatch(ids))
        let cache = model.makeCache(capacity: 10)
        var parts: [Tensor] = []
        for piece in pieces {
            let tokens = TokenBatch(Array(ids[cache.length..<cache.length + piece]), continuing: cache)
            parts.append(noGradient { model.logits(tokens, cache: cache) })
        }
        #expect(cache.length == 10)
        #expect(try distance(Tensor.concatenated(parts, axis: 1), whole) < 1e-5)
    }

    @Test("The logits of the last token are the last of the logits")
    func lastLogits() throws {
        let last = model.lastLogits(TokenBatch(ids), cache: nil)
        #expect(last.shape == [1, 40])
        #expect(try distance(last, model.logits(TokenBatch(ids)).narrowed(axis: 1, to: 9..<10).reshaped(1, -1)) < 1e-6)
    }

    @Test("The logits of last tokens are those of each sequence alone, packed or beside padding")
    func lastLogitsOfSeveral() throws {
        let alone = Tensor.concatenated([ids, [7, 8]].map { model.lastLogits(TokenBatch($0), cache: nil) })
        let padded = [[Int32]]([ids, [7, 8, 0, 0, 0, 0, 0, 0, 0, 0]])
        let mask = [[Bool](repeating: true, count: 10), (0..<10).map { $0 < 2 }]
        for tokens in [TokenBatch(packing: [ids, [7, 8]]), TokenBatch(padded, mask: mask)] {
            #expect(try distance(model.lastLogits(tokens, cache: nil), alone) < 1e-5)
        }
    }

    @Test("Tokens see what is before them and nothing after")
    func causality() throws {
        let changed = model.logits(TokenBatch(ids.dropLast() + [7]))
        let whole = model.logits(TokenBatch(ids))
        #expect(try distance(changed.narrowed(axis: 1, to: 0..<9), whole.narrowed(axis: 1, to: 0..<9)) < 1e-6)
        #expect(try distance(changed.narrowed(axis: 1, to: 9..<10), whole.narrowed(axis: 1, to: 9..<10)) > 0.01)
        #expect(
            try distance(model.logits(TokenBatch([7] + ids.dropFirst())).narrowed(axis: 1, to: 9..<10), whole.narrowed(axis: 1, to: 9..<10)) > 1e-4)
    }

    @Test("Padding before or after a sequence, and other rows, change nothing for its tokens")
    func padding() throws {
        let alone = model.logits(TokenBatch(ids))
        let other = [Int32](repeating: 11, count: 13)
        let mask = [(0..<13).map { $0 < 10 }, [Bool](repeating: true, count: 13), (0..<13).map { $0 >= 3 }]
        let batch = model.logits(TokenBatch([ids + [0, 0, 0], other, [8, 8, 8] + ids], mask: mask))
        #expect(batch.shape == [3, 13, 40])
        #expect(try distance(batch.narrowed(axis: 0, to: 0..<1).narrowed(axis: 1, to: 0..<10), alone) < 1e-5)
        #expect(try distance(batch.narrowed(axis: 0, to: 2..<3).narrowed(axis: 1, to: 3..<13), alone) < 1e-5)
        #expect(try batch.floats().allSatisfy(\.isFinite))
    }

    @Test("Sequences packed into one row do not see one another")
    func packing() throws {
        let packed = model.logits(TokenBatch(packing: [ids, [7, 8], ids]))
        let alone = model.logits(TokenBatch(ids))
        #expect(packed.shape == [1, 22, 40])
        #expect(try distance(packed.narrowed(axis: 1, to: 0..<10), alone) < 1e-5)
        #expect(try distance(packed.narrowed(axis: 1, to: 12..<22), alone) < 1e-5)
        #expect(try distance(packed.narrowed(axis: 1, to: 10..<12), model.logits(TokenBatch([7, 8]))) < 1e-5)
    }

    @Test("A tied head multiplies by the embedding")
    func tiedHead() throws {
        let model = TinyModel.llama(tiesEmbeddings: true)
        let hidden = model.hiddenStates(TokenBatch(ids))
        #expect(try distance(model.logits(TokenBatch(ids)), hidden.linear(model.backbone.embedding.table())) < 1e-6)
    }

    @Test("Biases count, in attention and in the feed-forward layer")
    func biases() throws {
        var configuration = TinyModel.configuration
        configuration.hasFeedForwardBias = true
        let model = TinyModel.llama(configuration)
        let before = model.logits(TokenBatch(ids))
        let biases = model.namedParameters().filter { $0.path.hasSuffix(".bias") }
        #expect(biases.count == 14)
        for (path, bias) in biases where !path.contains("k_proj") {
            let value = bias.value
            bias.value = value + 1
            #expect(try distance(model.logits(TokenBatch(ids)), before) > 1e-3, "\(path)")
            bias.value = value
        }
    }

    @Test("Padding between real tokens, and rows of different lengths, stop the process")
    func mistakes() async {
        await #expect(processExitsWith: .failure) { _ = TokenBatch([[1, 2, 3]], mask: [[true, false, true]]) }
        await #expect(processExitsWith: .failure) { _ = TokenBatch([[1, 2, 3], [1, 2]], mask: [[true, true, true], [true, true]]) }
        await #expect(processExitsWith: .failure) { _ = TokenBatch([Int32]()) }
    }

    @Test("A released model gives all its memory back")
    func memory() throws {
        let device = Device.deferred()
        do {
            let model = TinyModel.llama(device: device)
            try model.replaceModules { _, module in try (module as? Linear).map { try Linear4bit($0) } }
            _ = try model.generate([1, 2, 3], options: GenerationOptions())
            #expect(device.allocatedByteCount > 0)
        }
        try device.synchronize()
        #expect(device.allocatedByteCount == 0)
    }
}
