import BitsCore
import BitsModels
import BitsNN
import BitsQuant

/// A Llama of random weights in NF4, products in bfloat16: a prompt's pass, and token after token.
func generationMeasurements(on device: Device) -> [Measurement] {
    let shape = "12 layers, width 768, 12 heads (4 KV), inner 2048, vocabulary 32000, NF4, bf16"
    let (prompt, newTokens) = (512, 64)
    @Sendable func randomLlama() throws -> CausalLanguageModel {
        let configuration = LlamaConfiguration(vocabularySize: 32_000, width: 768, innerWidth: 2048, layers: 12, heads: 12, keyValueHeads: 4)
        let model = Llama.languageModel(configuration)
        var options = LoadOptions(quantization: .fourBit(.nf4, doubleQuantization: false))
        options.device = device
        try model.load(from: RandomWeights(for: model, dtype: .bfloat16, using: RandomGenerator(seed: 1)), options: options)
        model.policy.products = .bfloat16
        return model
    }
    @Sendable func tokens(_ count: Int) -> [Int32] {
        var generator = RandomGenerator(seed: 2)
        return (0..<count).map { _ in Int32.random(in: 0..<32_000, using: &generator) }
    }
    return [
        Measurement("prefill", shape: "\(prompt) tokens; \(shape)", tokens: prompt, on: device) {
            let (model, ids) = (try randomLlama(), tokens(prompt))
            return {
                let cache = model.makeCache(capacity: prompt + 1)
                _ = try noGradient { () throws(DeviceError) in
                    try model.lastLogits(TokenBatch(ids, continuing: cache, device: device), cache: cache).floats()
                }
            }
        },
        Measurement("decode", shape: "\(newTokens) tokens after 16; \(shape)", tokens: 1) { duration in
            let (model, ids) = (try randomLlama(), tokens(16))
            let options = GenerationOptions(maxNewTokens: newTokens)
            var times: [Duration] = []
            _ = try repeated(for: duration) {
                times.append(try model.generate(ids, options: options).decodeTime / (newTokens - 1))
            }
            return Array(times.dropFirst())
        },
    ] + samplingMeasurements(on: device)
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
