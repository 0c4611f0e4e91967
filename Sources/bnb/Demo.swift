import ArgumentParser
import BitsCore
import BitsIO
import BitsModels
import BitsNN
import BitsOptim
import BitsQuant
import BitsTune
import CLexicon

/// `bnb demo`: QLoRA from the binary alone.
struct Demo: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Load the embedded model in 4 bits, fine-tune it, and show what it learned.",
        discussion: """
            Loads lexicon-5m in NF4 with double quantization, fine-tunes a LoRA adapter of rank 16 on 2,000 questions about words with AdamW in 8 bits, \
            and shows loss and answers before and after.
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
        help: ArgumentHelp("Save the adapter here, in PEFT's format; the folder must not exist. (default: it is not saved)", valueName: "folder"))
    var output: String?

    @OptionGroup var machine: MachineOptions

    func validate() throws {
        guard steps > 0 else { throw ValidationError("--steps \(steps) is not above 0") }
    }

    func run() throws {
        clexicon_link()
        if let output { try OutputFolder.check(output) }
        let device = try machine.prepare()
        let clock = ContinuousClock()
        let folder = try ModelFolder("lexicon-5m")
        var loaded: LoadedModel?
        let loadTime = try clock.measure {
            var options = LoadOptions(
                quantization: .fourBit(.nf4), embeddings: quantizeEmbeddings ? .fourBit(.nf4) : nil, computeDType: compute.dtype)
            options.device = device
            loaded = try LoadedModel(folder, options: options)
        }
        guard let loaded else { return }
        let (model, report) = (loaded.model, loaded.report)
        let linear = report.quantized.count { $0.role != .embedding }
        let also = quantizeEmbeddings ? " and the embedding" : ""
        try Console.write("lexicon-5m, \(linear) linear layers\(also) in NF4 with double quantization: ")
        try Console.writeLine(
            "\(kilobytes(report.byteCountBefore)) in the file, \(kilobytes(report.byteCount)) in memory, loaded in \(milliseconds(loadTime))")

        let tokenizer = try Tokenizer(folder)
        let training = try examples("text/sft_train.jsonl", tokenizer: tokenizer, loaded: loaded)
        let validation = try examples("text/sft_valid.jsonl", tokenizer: tokenizer, loaded: loaded)
        var generator = RandomGenerator(seed: seed.number)
        let adapter = try Adapter(on: model, LoRAConfiguration(rank: 16, alpha: 32), using: &generator)
        let options = TrainingOptions(duration: .steps(steps), seed: seed.number)
        let trainer = try Trainer(model, training: TrainedWeights(adapter, in: model), on: training, options: options)

        let questions = ["the noun \"volcano\"", "the verb \"translate\"", "the adjective \"bright\""]
        let before = try questions.map { try answer($0, model: model, tokenizer: tokenizer) }
        let lossBefore = try model.meanLoss(of: validation)
        try Console.writeLine(
            "LoRA of rank 16 on all linear layers: \(adapter.parameterCount) trained weights; \(training.count) questions, AdamW in 8 bits")
        try Console.writeLine("")
        try Console.writeLine("  step   loss  learning rate")
        var recent: [Double] = []
        trainer.observers.append { event in
            guard case .step(let step) = event else { return }
            recent.append(step.loss)
            guard step.step == 1 || step.step % 25 == 0 || step.step == step.steps else { return }
            let mean = recent.reduce(0, +) / Double(recent.count)
            recent = []
            try Console.writeLine("\(padded("\(step.step)", 6)) \(padded(Bytes.rounded(mean, 3), 6))  \(Bytes.significant(step.learningRate, 3))")
        }
        let summary = try trainer.run()
        let lossAfter = try model.meanLoss(of: validation)
        try Console.writeLine("")
        try Console.writeLine("\(Bytes.rounded(summary.seconds, 1)) s, \(Int(summary.tokensPerSecond)) tokens a second")
        try Console.writeLine(
            "mean loss per token over \(validation.count) questions not trained on: \(Bytes.rounded(lossBefore, 4)) before, \(Bytes.rounded(lossAfter, 4)) after"
        )
        for (question, before) in zip(questions, before) {
            try Console.writeLine("")
            try Console.writeLine("What does \(question) mean?")
            try Console.writeLine("  before: \(before)")
            try Console.writeLine("  after:  \(try answer(question, model: model, tokenizer: tokenizer))")
        }
        if let output {
            try adapter.save(to: output)
            try Console.writeLine("")
            try Console.writeLine("adapter saved to \(output)")
        }
    }

    private func examples(_ name: String, tokenizer: Tokenizer, loaded: LoadedModel) throws -> TrainingData {
        guard let file = MappedFile(embedded: name) else { throw ModelFileError.malformed(path: name, "is not part of this build") }
        return try TrainingData([(ExampleFile(file), 1)], ExampleEncoder(for: loaded, tokenizer: tokenizer))
    }

    private func answer(_ question: String, model: CausalLanguageModel, tokenizer: Tokenizer) throws -> String {
        let prompt = tokenizer.encode("Question: What does \(question) mean?\nAnswer:")
        let result = try model.generate(prompt, options: GenerationOptions(maxNewTokens: 32))
        let text = tokenizer.decode(result.tokens)
        return text.split(whereSeparator: \.isNewline).joined(separator: " ")
    }

    private func kilobytes(_ count: Int) -> String { "\(count / 1000) kB" }
    private func milliseconds(_ time: Duration) -> String { "\(Int(time / .milliseconds(1))) ms" }
    private func padded(_ text: String, _ width: Int) -> String { String(repeating: " ", count: max(0, width - text.count)) + text }
}
