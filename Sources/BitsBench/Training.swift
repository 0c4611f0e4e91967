import BitsCore
import BitsIO
import BitsModels
import BitsNN
import BitsQuant
import BitsTune
import CLexicon

/// One pass of QLoRA over the embedded questions: NF4 with double quantization, float32 products, rank 16, AdamW in 8 bits. Loading is left out.
func trainingMeasurements(on device: Device) -> [Measurement] {
    [
        Measurement("epoch", shape: "lexicon-5m, QLoRA r 16, 125 steps of 16 examples") { _ in
            clexicon_link()
            let folder = try ModelFolder("lexicon-5m")
            var options = LoadOptions(quantization: .fourBit(.nf4), computeDType: .float32)
            options.device = device
            let loaded = try LoadedModel(folder, options: options)
            guard let questions = MappedFile(embedded: "text/sft_train.jsonl") else {
                throw ModelFileError.malformed(path: "text/sft_train.jsonl", "is not part of this build")
            }
            let encoder = ExampleEncoder(for: loaded, tokenizer: try Tokenizer(folder))
            let data = try TrainingData([(ExampleFile(questions), 1)], encoder)
            var generator = RandomGenerator(seed: 1)
            let adapter = try Adapter(on: loaded.model, LoRAConfiguration(rank: 16, alpha: 32), using: &generator)
            let trainer = try Trainer(loaded.model, training: TrainedWeights(adapter, in: loaded.model), on: data)
            return [try ContinuousClock().measure { try trainer.run() }]
        }
    ]
}
