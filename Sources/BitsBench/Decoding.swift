import BitsCore
import BitsIO
import BitsModels
import BitsNN
import BitsQuant
import BitsSystem

/// Token after token of a Llama of 1.1 billion random weights, in every form that layers have, beside plain reading of memory in the same seconds. The
/// head is bfloat16, but of the float32 model.
func decodingMeasurements(on device: Device) -> [Measurement] {
    func decoding(_ name: String, _ quantization: Quantization?, dtype: DType = .bfloat16, isMapped: Bool = false) -> Measurement {
        let products = dtype == .float32 ? "float32" : "bf16"
        let shape = "22 layers, width 2048, 32 heads (4 KV), inner 5632, vocabulary 32000, \(name), \(products)"
        return Measurement("decode-1b-\(name)", shape: shape, tokens: 1) { duration in
            let configuration = LlamaConfiguration(
                vocabularySize: 32_000, width: 2048, innerWidth: 5632, layers: 22, heads: 32, keyValueHeads: 4)
            var model = Llama.languageModel(configuration)
            var options = LoadOptions(quantization: quantization)
            options.device = device
            try model.load(
                from: RandomWeights(for: model, dtype: dtype, using: RandomGenerator(seed: 1)),
                options: options)
            if isMapped { model = try model.reloaded(as: Llama.languageModel(configuration)) }
            model.policy.products = dtype
            // The token's row is all that is read of the embedding.
            return try samples(of: model, byteCount: model.byteCount - model.backbone.embedding.byteCount, on: device, for: duration)
        }
    }
    // What a GPU has, it has copied.
    let mapped = [
        decoding("bfloat16-mapped", nil, isMapped: true), decoding("nf4-dq-mapped", .fourBit(.nf4), isMapped: true),
    ]
    return [
        decoding("float32", nil, dtype: .float32),
        decoding("bfloat16", nil),
        decoding("int8", .int8()),
        decoding("nf4", .fourBit(.nf4, doubleQuantization: false)),
        decoding("nf4-dq", .fourBit(.nf4)),
        decoding("fp4", .fourBit(.fp4, doubleQuantization: false)),
    ] + (device == .cpu ? mapped : [])
}

extension CausalLanguageModel {
    /// `model` with these weights, as loading them from a checkpoint leaves them. The checkpoint's name is gone afterwards; what is mapped of it stays.
    fileprivate func reloaded(as model: CausalLanguageModel) throws -> CausalLanguageModel {
        let folder = try OutputFolder(path: "\(FileSystem.temporaryFolder)/bnb-bench")
        let tensors = Dictionary(try entries().map { ($0.name, $0.tensor) }) { first, _ in first }
        let layout = CheckpointLayout(tensors.map { ($0.key, $0.value.dtype, $0.value.shape) })
        try Checkpoint.write(layout, to: folder.workPath) { (name) throws(ModelFileError) in
            guard let tensor = tensors[name] else { throw .malformed(path: folder.workPath, "'\(name)' is missing") }
            return tensor
        }
        try model.load(from: CheckpointSource(Checkpoint(ModelFolder(path: folder.workPath))))
        return model
    }
}

/// Times of single tokens, a few at a time between readings of as much memory: how fast memory is changes with what else the machine does.
private func samples(of model: CausalLanguageModel, byteCount: Int, on device: Device, for duration: Duration) throws -> Samples {
    let memory = try Processor.ReadableMemory(byteCount: 512 << 20)
    let options = GenerationOptions(maxNewTokens: 9)
    var (tokens, readings): ([Duration], [Duration]) = ([], [])
    _ = try repeated(for: duration) {
        tokens.append(try model.generate([1, 2, 3, 4], options: options).decodeTime / (options.maxNewTokens - 1))
        if device == .cpu { readings.append(ContinuousClock().measure(memory.read)) }
    }
    return Samples(times: Array(tokens.dropFirst()), byteCount: byteCount, readings: Array(readings.dropFirst()), readByteCount: memory.byteCount)
}
