import BitsAndBytes
import BitsIO
import BitsModels
import BitsTune

/// The Swift code of the documents, word for word; what it takes for granted are parameters. DocumentedCodeTests compares.
enum DocumentedCode {
    static func readme() throws {
        // Load, quantizing layer by layer: never more in memory than the 4-bit model and one tensor.
        let folder = try ModelFolder("Llama-3.2-1B")
        let loaded = try LoadedModel(folder, options: LoadOptions(quantization: .fourBit(.nf4)))
        let tokenizer = try Tokenizer(folder)

        // Fine-tune a LoRA adapter on {"prompt", "completion"} lines, with 8-bit AdamW.
        var generator = RandomGenerator(seed: 0)
        let adapter = try Adapter(on: loaded.model, LoRAConfiguration(rank: 16, alpha: 32), using: &generator)
        let data = try TrainingData("questions.jsonl", for: loaded, tokenizer: tokenizer)
        try Trainer(loaded.model, training: TrainedWeights(adapter, in: loaded.model), on: data).run()
        try adapter.save(to: "my-adapter")

        // Or take it into the weights, and save the model with its tokenizer, here in 4 bits again.
        adapter.merge(into: loaded.model)
        try loaded.model.quantize(to: .fourBit(.nf4))
        try loaded.save(to: "my-model")

        // Generate, up to where the model ends the text.
        let completion = TextCompletion(loaded, tokenizer: tokenizer)
        print(try completion("Question: What does the noun \"tide\" mean?\nAnswer:").text)
    }

    static func readmeParts() throws {
        var generator = RandomGenerator(seed: 0)
        let weight = try Tensor.normal([4096, 1024], using: &generator).quantized(to: .nf4, doubleQuantization: true)
        let scale = Parameter(Tensor.ones([4096]))
        let optimizer = try Optimizer([scale], rule: AdamW(learningRate: 2e-4), moments: .blockwise8bit())

        let y = Tensor.normal([16, 1024], using: &generator).linear(weight) * scale.tensor  // [16, 4096]
        (y * y).sum().backward()
        try optimizer.step()
    }

    static func optimizers(_ parameters: [Parameter]) throws {
        let optimizer = try Optimizer(parameters, rule: AdamW(learningRate: 2e-4), moments: .blockwise8bit())
        let same = try Optimizer.adamW8bit(parameters, AdamW(learningRate: 2e-4))
        _ = (optimizer, same)
    }

    static func replacing(in model: Module) throws {
        let report = try model.quantize(to: .fourBit(.nf4), skipping: ["lm_head", "model.layers.0"])
        print(report)  // each layer: what it became, or why it was kept; bytes before and after
    }

    static func normalFloat(weight: Tensor, x: Tensor) throws {
        let packed = try weight.quantized(to: .nf4)  // codes, two to a byte, and a scale for each block of 64
        let back = packed.dequantized(to: .float32)
        let y = x.linear(packed)  // never stores the decoded weight
        _ = (back, y)
    }

    static func outliers(w: Tensor, x: Tensor) {
        let weight = Int8Tensor(weight: w)
        let y = x.linear(weight, outlierThreshold: 6)  // 0 leaves the outliers in
        _ = y
    }

    static func core() throws {
        let weight = Parameter(Tensor.ones([3, 4]))
        let loss = Tensor.ones([2, 4]).linear(weight.tensor).squared().mean()
        loss.backward()
        print(try weight.gradient?.floats() ?? [])
    }

    static func quant() throws {
        let packed = try Tensor.ones([64, 64]).quantized(to: .nf4, doubleQuantization: true)
        let y = Tensor.ones([2, 64]).linear(packed)
        _ = y
    }

    static func optim() throws {
        let weight = Parameter(Tensor.ones([4096]))
        let optimizer = try Optimizer([weight], rule: AdamW(learningRate: 2e-4), moments: .blockwise8bit())
        let same = try Optimizer.adamW8bit([weight], AdamW(learningRate: 2e-4))
        _ = (optimizer, same)
    }

    static func files() throws {
        let folder = try ModelFolder("organization/name")
        let tokenizer = try Tokenizer(folder)
        print(tokenizer.encode("a text"), try Checkpoint(folder).names)
    }

    static func models() throws {
        let folder = try ModelFolder("organization/name")
        let loaded = try LoadedModel(folder, options: LoadOptions(quantization: .fourBit(.nf4)))
        let completion = TextCompletion(loaded, tokenizer: try Tokenizer(folder))
        print(try completion("Once upon a time", options: GenerationOptions(maxNewTokens: 32)).text)
    }

    static func tune(_ loaded: LoadedModel, _ tokenizer: Tokenizer) throws {
        let data = try TrainingData("questions.jsonl", for: loaded, tokenizer: tokenizer)
        var generator = RandomGenerator(seed: 0)
        let adapter = try Adapter(on: loaded.model, LoRAConfiguration(rank: 16, alpha: 32), using: &generator)
        try Trainer(loaded.model, training: TrainedWeights(adapter, in: loaded.model), on: data).run()
        try adapter.save(to: "my-adapter")
    }

    final class FeedForward: Module {
        @Child("up_proj") var up: any LinearLayer
        @Child("down_proj") var down: any LinearLayer

        func callAsFunction(_ x: Tensor) -> Tensor { down(up(x).activated(.silu)) }
    }
}
