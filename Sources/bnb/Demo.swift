import ArgumentParser
import BitsCore
import BitsIO
import BitsModels
import BitsNN
import BitsOptim
import BitsQuant
import BitsSystem
import BitsTune
import CLexicon

/// `bnb demo`: QLoRA from the binary alone, from quantizing to the merged model.
struct Demo: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Quantize, fine-tune and merge the embedded model, and show what each step does.",
        discussion: """
            Loads lexicon-5m in NF4 with double quantization, fine-tunes a LoRA adapter of rank 16 on 2,000 questions about words with paged AdamW in 8 bits, \
            shows loss, answers and memory, and merges the adapter into 16-bit weights that are read back. What it takes to do the same with another model \
            stands at the end.
            """)

    @Option(help: ArgumentHelp("Steps of 16 questions; 125 are one pass over all.", valueName: "count"))
    var steps = 125

    @Option(help: ArgumentHelp("What products round their operands to; float32 is nothing.", valueName: "type"))
    var compute = FloatingType.bfloat16

    @Flag(help: "Quantize the embedding table too, which is the output head's as well.")
    var quantizeEmbeddings = false

    @Option(help: "Seed of the adapter's start and the order of the questions.")
    var seed = Seed(0)

    @Option(
        name: [.short, .long],
        help: ArgumentHelp(
            "Keep the adapter here, in PEFT's format, with the merged model and the curve of the loss; the folder must not exist. (default: nothing is kept)",
            valueName: "folder"))
    var output: String?

    @OptionGroup var machine: MachineOptions

    func validate() throws {
        guard steps > 0 else { throw ValidationError("--steps \(steps) is not above 0") }
    }

    /// Moments that stay in memory between steps: about a quarter.
    private static let residentByteCount = 256_000

    func run() throws {
        clexicon_link()
        if let output { try OutputFolder.check(output) }
        let (device, clock) = (try machine.prepare(), ContinuousClock())
        let start = clock.now
        let loaded = try load(ModelFolder("lexicon-5m"), on: device)
        try tellSizes(loaded, seconds: (clock.now - start) / .seconds(1))

        let (model, tokenizer) = (loaded.model, try Tokenizer(loaded.folder))
        let encoder = ExampleEncoder(for: loaded, tokenizer: tokenizer)
        let (training, validation) = (try examples("text/sft_train.jsonl", encoder), try examples("text/sft_valid.jsonl", encoder))
        let lossBefore = try model.meanLoss(of: validation)
        let answersBefore = try answers(loaded, tokenizer)
        try tell(evaluation: lossBefore, of: validation.count)

        var generator = RandomGenerator(seed: seed.number)
        let adapter = try Adapter(on: model, LoRAConfiguration(rank: 16, alpha: 32), using: &generator)
        var options = TrainingOptions(duration: .steps(steps), seed: seed.number)
        // All moments can be paged here, however small.
        options.moments = .blockwise8bit().paged(Paging(minimumCount: 0, residentByteCount: Demo.residentByteCount))
        let trainer = try Trainer(model, training: TrainedWeights(adapter, in: model), on: training, options: options)
        try tell(training: adapter.counts(in: model), questions: training.count)
        device.memory.forgetPeak()
        let (summary, curve) = try run(trainer, on: device)
        try tell(summary, curve)
        let memory = MemoryEstimate(
            peak: device.memory.peak, pagedByteCount: trainer.optimizer.paging.map { $0.fileByteCount - $0.residentByteCount } ?? 0)

        try tell(
            losses: (lossBefore, try model.meanLoss(of: validation)), answers: zip(answersBefore, answers(loaded, tokenizer)).map { ($0, $1) })
        try tell(memory)

        // What nobody wants to keep goes away with the folder that was not given its name.
        let result = try OutputFolder(path: output ?? "\(FileSystem.temporaryFolder)/bnb-demo-\(UInt32.random(in: 0 ... .max))")
        try adapter.save(to: result.workPath)
        let path = "\(result.workPath)/merged"
        let report = try loaded.merge([adapter], probe: tokenizer.encode(Demo.prompts.joined(separator: "\n")), to: path)
        let merged = try load(ModelFolder(path: path), on: device, isQuantized: false)
        try tell(report, loss: try merged.model.meanLoss(of: validation))
        try result.write(Array(curve.svg().utf8), as: "loss.svg")
        if output != nil { try result.commit() }
        try tellWhatIsLeft()
    }

    private func load(_ folder: ModelFolder, on device: Device, isQuantized: Bool = true) throws -> LoadedModel {
        let form = isQuantized ? Quantization.fourBit(.nf4) : nil
        return try LoadedModel(
            folder,
            options: LoadOptions(quantization: form, embeddings: quantizeEmbeddings ? form : nil, computeDType: compute.dtype, device: device))
    }

    private func examples(_ name: String, _ encoder: ExampleEncoder) throws -> TrainingData {
        guard let file = MappedFile(embedded: name) else { throw ModelFileError.malformed(path: name, "is not part of this build") }
        return try TrainingData([(ExampleFile(file), 1)], encoder)
    }

    /// Runs from beginning to end, or not at all.
    private func run(_ trainer: Trainer, on device: Device) throws -> (TrainingSummary, LossCurve) {
        let (terminal, curve) = (TrainingTerminal(every: 25, device: device), LossCurve())
        trainer.observers += [terminal.observe, curve.observe]
        defer { terminal.finish() }
        let summary = try trainer.run()
        guard summary.end == .finished else { throw Failure(.unavailable, "the demonstration was interrupted") }
        return (summary, curve)
    }

    static let questions = ["the noun \"volcano\"", "the adjective \"musical\"", "the adjective \"wooden\""].map { "What does \($0) mean?" }
    private static let prompts = questions.map { "Question: \($0)\nAnswer:" }

    private func answers(_ loaded: LoadedModel, _ tokenizer: Tokenizer) throws -> [String] {
        let completion = TextCompletion(loaded, tokenizer: tokenizer)
        return try Demo.prompts.map { prompt in
            let text = try completion(prompt, options: GenerationOptions(maxNewTokens: 32)).text
            return text.split(whereSeparator: \.isNewline).joined(separator: " ")
        }
    }
}
