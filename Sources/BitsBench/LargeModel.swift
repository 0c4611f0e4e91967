import BitsCore
import BitsKernels
import BitsModels
import BitsNN
import BitsQuant
import BitsTune

/// What a GPU is bought for: a Llama of eight billion random weights in NF4 with double quantization, as Llama-3.1-8B is made. A prompt of 2048 tokens, 64 prompts
/// together, short ones and such of different lengths, and tokens of 1, 8 and 64 sequences together; steps of QLoRA of rank 16 on all linear layers over 4
/// sequences of 1024 tokens, with the inside of blocks kept and computed again.
func largeModelMeasurements(on device: Device) -> [Measurement] {
    let shape = "32 layers, width 4096, 32 heads (8 KV), inner 14336, vocabulary 128256, NF4 with double quantization, bf16"
    let (prompt, newTokens) = (2048, 65)
    let vocabulary = 128_256
    @Sendable func model() throws -> CausalLanguageModel {
        let configuration = LlamaConfiguration(
            vocabularySize: vocabulary, width: 4096, innerWidth: 14336, layers: 32, heads: 32, keyValueHeads: 8)
        let model = Llama.languageModel(configuration)
        var options = LoadOptions(quantization: .fourBit(.nf4))
        options.device = device
        try model.load(from: RandomWeights(for: model, dtype: .bfloat16, using: RandomGenerator(seed: 1)), options: options)
        (model.policy.activations, model.policy.products, model.policy.cache) = (.bfloat16, .bfloat16, .bfloat16)
        return model
    }
    @Sendable func tokens(_ count: Int, _ seed: UInt64) -> [Int32] {
        var generator = RandomGenerator(seed: seed)
        return (0..<count).map { _ in Int32.random(in: 0..<Int32(vocabulary), using: &generator) }
    }
    let decoding = [1, 8, 64].map { sequences in
        Measurement("decode-8b-nf4-dq-x\(sequences)", shape: "\(newTokens) tokens after 16; \(shape)", tokens: sequences) { duration in
            let model = try model()
            let prompts = (0..<sequences).map { tokens(16, UInt64($0)) }
            let options = GenerationOptions(maxNewTokens: newTokens, endTokens: [])
            var times: [Duration] = []
            _ = try repeated(for: duration) {
                times.append((try model.generate(prompts, options: options).map(\.decodeTime).max() ?? .zero) / (newTokens - 1))
            }
            return Array(times.dropFirst())
        }
    }
    let reading = [("short", 32...32), ("mixed", 200...400)].map { name, lengths in
        let prompts = (0..<64).map { tokens(lengths.lowerBound + $0 * 37 % 64 * (lengths.count - 1) / 63, UInt64($0)) }
        return Measurement(
            "prefill-8b-nf4-dq-x64-\(name)", shape: "64 prompts of \(lengths.lowerBound) to \(lengths.upperBound) tokens; \(shape)",
            tokens: prompts.reduce(0) { $0 + $1.count }
        ) { duration in try model().prefillTimes(prompts, for: duration) }
    }
    let training = [("kept", false, false), ("recomputed", true, false), ("offloaded", true, true)].map { name, recomputes, offloads in
        Measurement("qlora-8b-\(name)", shape: "4 sequences of 1024 tokens, r 16, AdamW 8-bit; \(shape)", tokens: 4096) { duration in
            let model = try model()
            device.memory.forgetPeak()
            var generator = RandomGenerator(seed: 3)
            let adapter = try Adapter(on: model, LoRAConfiguration(rank: 16, alpha: 32), using: &generator)
            let data = try TrainingData((0..<64).map { TokenizedExample(ids: tokens(1024, UInt64($0)), completionStart: 1) })
            var options = TrainingOptions(duration: .steps(1000), batches: BatchPlan(.examples(4)))
            (options.recomputesBlocks, options.offloadsBlockInputs) = (recomputes, offloads)
            let clock = ContinuousClock()
            var (times, end): ([Duration], ContinuousClock.Instant?) = ([], nil)
            var last = clock.now
            let trainer = try Trainer(model, training: TrainedWeights(adapter, in: model), on: data, options: options)
            trainer.observers.append { [unowned trainer] event in
                guard case .step(let step) = event else { return }
                let now = clock.now
                // The first steps compile kernels and take memory.
                if step.step > 2 { times.append(last.duration(to: now)) } else { end = now + duration }
                last = now
                if times.count >= 3, now >= end ?? now { trainer.stop() }
            }
            try trainer.run()
            return Samples(times: times, peakByteCount: device.memory.peak.total)
        }
    }
    return decoding + reading + training + [
        Measurement("prefill-8b-nf4-dq", shape: "\(prompt) tokens; \(shape)", tokens: prompt, on: device) {
            let (model, ids) = (try model(), tokens(prompt, 1))
            return {
                let cache = model.makeCache(capacity: prompt + 1)
                _ = noGradient { model.lastLogits(TokenBatch(ids, continuing: cache, device: device), cache: cache) }
            }
        }
    ]
}
