import BitsAndBytes
import BitsIO
import BitsModels
import BitsTune
import CLexicon
import Testing
import _BitsTestSupport

/// The Swift code of README.md, on the embedded model and a few steps.
@Suite("What the README shows")
struct ReadmeExampleTests {
    @Test("Load in 4 bits, fine-tune, save, generate")
    func fineTuning() throws {
        clexicon_link()
        let folder = try ModelFolder("lexicon-5m")
        let loaded = try LoadedModel(folder, options: LoadOptions(quantization: .fourBit(.nf4)))
        let tokenizer = try Tokenizer(folder)

        var generator = RandomGenerator(seed: 0)
        let adapter = try Adapter(on: loaded.model, LoRAConfiguration(rank: 16, alpha: 32), using: &generator)
        let questions = try #require(MappedFile(embedded: "text/sft_valid.jsonl"))
        let examples = try CompletionExample.read(questions).map {
            CompletionTokens(
                $0, tokenizer: tokenizer, begin: loaded.generation.beginToken, end: loaded.generation.endTokens.first,
                maxLength: loaded.model.contextLength)
        }
        var options = FineTuningOptions()
        options.steps = 6
        options.warmupSteps = 1
        let losses = try fineTune(loaded.model, adapter: adapter, on: examples, options: options)
        #expect(losses.last! < losses.first!)

        let scratch = try TemporaryFolder()
        adapter.merge(into: loaded.model)
        try loaded.model.quantize(to: .fourBit(.nf4))
        try loaded.save(to: "\(scratch.path)/my-model")

        var short = GenerationOptions()
        short.maxNewTokens = 8
        let answer = try loaded.model.generate(tokenizer.encode("Question: What does the noun \"tide\" mean?\nAnswer:"), options: short)
        #expect(!tokenizer.decode(answer.tokens).isEmpty)
    }

    @Test("Quantize a weight, take a step")
    func parts() throws {
        var generator = RandomGenerator(seed: 0)
        let weight = try Tensor.normal([4096, 1024], using: &generator).quantized(to: .nf4, doubleQuantization: true)
        let scale = Parameter(Tensor.ones([4096]))
        let optimizer = try Optimizer([scale], rule: AdamW(learningRate: 2e-4), moments: .blockwise8bit())

        let y = Tensor.normal([16, 1024], using: &generator).linear(weight) * scale.tensor  // [16, 4096]
        (y * y).sum().backward()
        try optimizer.step()
        #expect(try scale.value.floats().allSatisfy { $0 < 1 })
    }
}
