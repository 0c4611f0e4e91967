import BitsCore
import BitsIO
import BitsModels
import BitsNN
import BitsQuant

/// Models of random weights in NF4, products in bfloat16, one of each shape: a Llama, attention that distance weakens, learned positions, experts of
/// which a token asks for a few. Of each a prompt's pass, that of several prompts, and token after token; and the pass of an encoder over several texts.
func generationMeasurements(on device: Device) -> [Measurement] {
    let alike: JSONObject = ["vocab_size": 32_000, "hidden_size": 768, "num_hidden_layers": 12, "num_attention_heads": 12]
    let grouped: JSONObject = ["num_key_value_heads": 4, "intermediate_size": 2048, "max_position_embeddings": 2048]
    let experts: JSONObject = [
        "num_hidden_layers": 6, "head_dim": 64, "num_experts": 16, "num_experts_per_tok": 2, "moe_intermediate_size": 512, "norm_topk_prob": true,
    ]
    let sizes = "width 768, 12 heads"
    let shapes = [
        RandomModel("", "llama", alike + grouped, "12 layers, \(sizes) (4 KV), inner 2048"),
        RandomModel("-alibi", "bloom", alike, "BLOOM, 12 layers, \(sizes)"),
        RandomModel("-learned-positions", "gpt2", alike + ["max_position_embeddings": 1024], "GPT-2, 12 layers, \(sizes)"),
        RandomModel("-experts", "qwen3_moe", alike + grouped + experts, "Qwen 3, 6 layers, \(sizes) (4 KV), 16 experts of 512, 2 a token"),
    ]
    let encoder = RandomModel("", "bert", alike + ["intermediate_size": 3072], "BERT, 12 layers, \(sizes), inner 3072")
    return shapes.flatMap { continuing($0, on: device) } + [encoding(encoder, on: device)] + samplingMeasurements(on: device)
}

/// A model that its configuration describes, with random weights.
private struct RandomModel: Sendable {
    /// What its measurements' names end in.
    let suffix: String
    let shape: String
    private let fields: JSONObject

    init(_ suffix: String, _ modelType: String, _ fields: JSONObject, _ shape: String) {
        self.suffix = suffix
        self.shape = "\(shape), vocabulary 32000, NF4, bf16"
        self.fields = fields + ["model_type": .string(modelType)]
    }

    func callAsFunction<Task: RegisteredTask>(_ task: Task.Type, on device: Device) throws -> Task {
        let model = try Task(ModelConfiguration(ConfigurationFields(fields, path: "config.json")))
        var options = LoadOptions(quantization: .fourBit(.nf4, doubleQuantization: false))
        options.device = device
        try model.load(from: RandomWeights(for: model, dtype: .bfloat16, using: RandomGenerator(seed: 1)), options: options)
        model.policy.products = .bfloat16
        return model
    }

    static func tokens(_ count: Int) -> [Int32] {
        var generator = RandomGenerator(seed: 2)
        return (0..<count).map { _ in Int32.random(in: 0..<32_000, using: &generator) }
    }
}

private func continuing(_ random: RandomModel, on device: Device) -> [Measurement] {
    let (prompt, newTokens) = (512, 64)
    let prompts = (0..<16).map { RandomModel.tokens(20 + $0 * 7 % 16 * 2) }
    return [
        Measurement("prefill\(random.suffix)", shape: "\(prompt) tokens; \(random.shape)", tokens: prompt, on: device) {
            let (model, ids) = (try random(CausalLanguageModel.self, on: device), RandomModel.tokens(prompt))
            return {
                let cache = model.makeCache(capacity: prompt + 1)
                _ = try noGradient { () throws(DeviceError) in
                    try model.lastLogits(TokenBatch(ids, continuing: cache, device: device), cache: cache).floats()
                }
            }
        },
        Measurement("decode\(random.suffix)", shape: "\(newTokens) tokens after 16; \(random.shape)", tokens: 1) { duration in
            let (model, ids) = (try random(CausalLanguageModel.self, on: device), RandomModel.tokens(16))
            let options = GenerationOptions(maxNewTokens: newTokens)
            var times: [Duration] = []
            _ = try repeated(for: duration) {
                times.append(try model.generate(ids, options: options).decodeTime / (newTokens - 1))
            }
            return Array(times.dropFirst())
        },
        Measurement(
            "prefill-x16\(random.suffix)", shape: "16 prompts of 20 to 50 tokens; \(random.shape)", tokens: prompts.reduce(0) { $0 + $1.count }
        ) { duration in try random(CausalLanguageModel.self, on: device).prefillTimes(prompts, for: duration) },
    ]
}

extension CausalLanguageModel {
    /// How long the first tokens after `prompts` take, again and again for about `duration`.
    func prefillTimes(_ prompts: [[Int32]], for duration: Duration) throws -> [Duration] {
        let options = GenerationOptions(maxNewTokens: 1, endTokens: [])
        var times: [Duration] = []
        _ = try repeated(for: duration) { times.append(try generate(prompts, options: options).map(\.prefillTime).max() ?? .zero) }
        return Array(times.dropFirst())
    }
}

private func encoding(_ random: RandomModel, on device: Device) -> Measurement {
    let (texts, length) = (8, 64)
    return Measurement("encode\(random.suffix)", shape: "\(texts) texts of \(length) tokens; \(random.shape)", tokens: texts * length, on: device) {
        let model = try random(FeatureExtractor.self, on: device)
        let ids = RandomModel.tokens(texts * length)
        let sequences = (0..<texts).map { Array(ids[$0 * length..<($0 + 1) * length]) }
        return {
            _ = try noGradient { () throws(DeviceError) in try model.hiddenStates(TokenBatch(packing: sequences, device: device)).floats() }
        }
    }
}

/// Drawing one token from a large vocabulary.
private func samplingMeasurements(on device: Device) -> [Measurement] {
    let vocabulary = 128_256
    return [("top-k", 50, Float(1)), ("top-p", 0, 0.9), ("top-k-top-p", 50, 0.9)].map { name, topK, topP in
        Measurement("sample-\(name)", shape: "vocabulary \(vocabulary), top-k \(topK), top-p \(topP)", on: device) {
            var generator = RandomGenerator(seed: 3)
            let logits = Tensor.normal([1, vocabulary], standardDeviation: 3, using: &generator, device: device)
            let places = TokenPlaces(positions: [7], ranges: [0..<8], batch: 1, device: device)
            let sampler = TokenSampler(
                temperature: 0.8, topK: topK, topP: topP, minP: 0, repetitionPenalty: 1, seeds: [1], vocabulary: vocabulary, device: device)
            return { sampler.draw(from: logits, places: places, sequences: 0..<1) }
        }
    }
}

extension JSONObject {
    /// The fields of both; those of `changes` count.
    fileprivate static func + (fields: JSONObject, changes: JSONObject) -> JSONObject {
        var all = fields
        for key in changes.keys { all[key] = changes[key] }
        return all
    }
}
