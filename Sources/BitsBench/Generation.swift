import BitsCore
import BitsModels
import BitsNN
import BitsQuant

/// A Llama of random weights in NF4, products in bfloat16: a prompt's pass, and token after token.
func generationMeasurements() -> [Measurement] {
    let shape = "12 layers, width 768, 12 heads (4 KV), inner 2048, vocabulary 32000, NF4, bf16"
    let (prompt, newTokens) = (512, 64)
    @Sendable func randomLlama() -> Llama {
        let configuration = LlamaConfiguration(vocabularySize: 32_000, width: 768, innerWidth: 2048, layers: 12, heads: 12, keyValueHeads: 4)
        return Llama(configuration, from: WeightScope(RandomFourBitSource()))
    }
    @Sendable func tokens(_ count: Int) -> [Int32] {
        var generator = RandomGenerator(seed: 2)
        return (0..<count).map { _ in Int32.random(in: 0..<32_000, using: &generator) }
    }
    return [
        Measurement("prefill", shape: "\(prompt) tokens; \(shape)", tokens: prompt) {
            let (model, ids) = (randomLlama(), tokens(prompt))
            return {
                let cache = model.makeCache(batch: 1, capacity: prompt + 1)
                _ = try noGradient { () throws(DeviceError) in try model.lastLogits(TokenBatch(ids), cache: cache).floats() }
            }
        },
        Measurement("decode", shape: "\(newTokens) tokens after 16; \(shape)", tokens: 1) { duration in
            let (model, ids) = (randomLlama(), tokens(16))
            var options = GenerationOptions()
            options.maxNewTokens = newTokens
            var times: [Duration] = []
            _ = try repeated(for: duration) {
                times.append(try model.generate(ids, options: options).decodeTime / (newTokens - 1))
            }
            return Array(times.dropFirst())
        },
    ]
}

/// Normal weights of standard deviation 0.02; linear layers in NF4, but for the head.
private final class RandomFourBitSource: WeightSource {
    private var generator = RandomGenerator(seed: 1)

    func parameter(_ path: String, shape: [Int]) -> Parameter {
        let value = shape.count == 1 ? Tensor.ones(shape, dtype: .bfloat16) : weight(shape)
        return Parameter(value, isTrainable: false)
    }

    func linear(_ path: String, inFeatures: Int, outFeatures: Int, bias: Bool) -> LinearLayer {
        let linear = Linear(weight: Parameter(weight([outFeatures, inFeatures]), isTrainable: false), computeDType: .bfloat16)
        if path == "lm_head" { return linear }
        do {
            return try Linear4bit(linear, doubleQuantization: false)
        } catch { preconditionFailure("\(error)") }
    }

    func tiedHead(_ embedding: Embedding) -> LinearLayer { Linear(weight: embedding.weight, computeDType: .bfloat16) }

    private func weight(_ shape: [Int]) -> Tensor { Tensor.normal(shape, standardDeviation: 0.02, using: &generator, dtype: .bfloat16) }
}
