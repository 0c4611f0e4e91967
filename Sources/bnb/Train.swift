import ArgumentParser
import BitsBench
import BitsCore
import BitsIO
import BitsModels
import BitsNN
import BitsOptim
import BitsQuant
import BitsSystem
import BitsTune
import CLexicon

/// `bnb train`: fine-tunes a model on files of examples.
struct Train: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Fine-tune a model, or an adapter on it, on files of examples.",
        discussion: """
            The options of a run are written to run.json in its folder, as --config takes them, and with --resume taken from there. \
            Hugging Face's names of options are understood. An interruption (Ctrl-C) finishes the step, saves and ends; a second one ends at once. The \
            folder holds checkpoint-N, log.jsonl, a file for TensorBoard, loss.svg, and at the end the adapter as PEFT reads it, or the model.
            """)

    @OptionGroup var source: ModelName

    // What the file says stands among the arguments by the time they are parsed.
    @Option(
        help: ArgumentHelp("Take options from this JSON object; those of the command line count more. (default: there is none)", valueName: "file"))
    var config: String?

    @OptionGroup(title: "Data") var data: DataOptions

    @Option(help: ArgumentHelp("Quantize linear layers while loading. (default: they stay as they are)", valueName: "format"))
    var loadIn: Quantization?

    @Option(help: ArgumentHelp("Quantize each layer while loading as this file of bnb report says. (default: there is no plan)", valueName: "file"))
    var plan: PlanFile?

    @OptionGroup(title: "Weights") var weights: WeightOptions

    @OptionGroup(title: "Course") var course: CourseOptions

    @OptionGroup(title: "Run") var records: RunOptions

    @OptionGroup var quantization: QuantizationOptions

    @OptionGroup var compute: ComputeOptions

    @OptionGroup var machine: MachineOptions

    func validate() throws {
        if plan != nil && loadIn != nil { throw ValidationError("--plan and --load-in both say what layers become; use one") }
        try quantization.check(loadIn, option: "--load-in")
        if records.evalEvery != nil || records.patience != nil || records.keepBest || !records.sample.isEmpty, data.evalData.isEmpty {
            throw ValidationError("--eval-every, --patience, --keep-best and --sample need --eval-data")
        }
        if records.patience != nil, records.evalEvery == nil { throw ValidationError("--patience needs --eval-every") }
    }

    func run() throws {
        clexicon_link()
        let device = try machine.prepare()
        if course.offloadBlockInputs, device == .cpu {
            Console.warn(["--offload-block-inputs is --recompute on a processor: the inputs of blocks are in its memory anyway"])
        }
        let optimizer = try OptimizerName(course.method.optimizer)
        let rule = try optimizer.rule(
            learningRate: course.learningRate ?? (weights.full ? 2e-5 : 2e-4), adamBetas: (course.adamBeta1 ?? 0.9, course.adamBeta2 ?? 0.999),
            adamEpsilon: course.adamEpsilon ?? 1e-8, weightDecay: course.weightDecay, arguments: course.method.optimArgs)
        let files = try data.data.map { (try ExampleFile(path: $0.path), $0.weight) }
        let evaluationFiles = try data.evalData.map { (try ExampleFile(path: $0), 1.0) }
        if data.showTokens { return try showTokens(files.map(\.0)) }
        let folder = try RunFolder(path: records.output)
        guard records.resume || folder.isEmpty else {
            throw Failure(.file, "\(records.output): holds something already; add --resume to go on with a run, or name another folder")
        }
        let loaded = try load(device)
        if let length = data.batches.maxLength, length > loaded.model.contextLength {
            throw Failure(.usage, "--max-length \(length) is beyond the model's context of \(loaded.model.contextLength)")
        }
        let encoder = encoder(loaded, tokenizer: try Tokenizer(loaded.folder))
        let bar = ProgressBar("reading examples")
        let training = try TrainingData(files, encoder) { bar.update($0) }
        let evaluation = try evaluationFiles.isEmpty ? nil : TrainingData(evaluationFiles, encoder)
        bar.finish()
        if training.skipped > 0 { Console.warn(["\(training.skipped) examples have nothing to learn within --max-length and are left out"]) }
        let base = weights.hasOwnBase ? "\(records.output)/\(Train.baseName)" : source.model
        let trained = try weights.trained(of: loaded.model, seed: course.seed.number, baseModel: base) {
            CheckpointSource(try Checkpoint(loaded.folder, for: loaded.model.checkpointNames))
        }
        Console.warn(trained.adapter?.doubt.map { [$0] } ?? [])
        if weights.full, loaded.model.namedModules().contains(where: { $0.module.quantization != nil }) {
            Console.warn(["what is quantized is not trained: \(trained.count) weights are; leave --load-in out to train all"])
        }
        let trainer = try Trainer(
            loaded.model, training: trained, on: training, evaluation: evaluation, options: options(rule, optimizer.storage, encoder, training),
            folder: folder)
        // An interruption ends the run, not the writing of what it has come to.
        try ProcessSignals.endingInOrder { () throws in try go(trainer, loaded, encoder, folder) }
    }

    /// The folder of the model that an adapter is for which has changed it.
    private static let baseName = "base"

    /// Runs from the beginning or the newest checkpoint, tells how it goes, and leaves what came of it.
    private func go(_ trainer: Trainer, _ loaded: LoadedModel, _ encoder: ExampleEncoder, _ folder: RunFolder) throws {
        let (step, passedOver) = records.resume ? try trainer.resume() : (0, [])
        Console.warn(passedOver)
        if records.resume { Console.note(step > 0 ? "going on after step \(step)\n" : "no checkpoint to go on from; beginning at the beginning\n") }
        try JSONValue.object(used).write(to: "\(folder.path)/\(RunFile.name)")
        Console.note("\(trainer.weights.count) trained weights, \(trainer.totalSteps) steps\n")
        let logPath = "\(folder.path)/log.jsonl"
        let log = try TrainingLog(path: logPath, after: step)
        let (terminal, curve) = (TrainingTerminal(every: records.logEvery, device: trainer.model.computeDevice), try LossCurve(log: logPath))
        let board = try TensorBoardLog(folder: folder.path, device: trainer.model.computeDevice)
        trainer.observers += [terminal.observe, curve.observe, { try log.observe($0) }, { try board.observe($0) }]
        if !records.sample.isEmpty { trainer.observers.append(sampling(loaded, encoder.tokenizer)) }
        let summary: TrainingSummary
        do {
            defer { terminal.finish() }
            summary = try trainer.run()
        }
        try OutputFile.replace("\(folder.path)/loss.svg", with: Array(curve.svg().utf8))
        if summary.end == .stopped {
            throw Failure(interruptedAfter: summary.progress.step, checkpoint: folder.newestPath)
        }
        if let adapter = trainer.weights.adapter {
            try folder.publish(last: "adapter_config.json") { path in
                try adapter.save(to: path)
                guard adapter.hasOwnBase else { return }
                try adapter.remove(from: trainer.model)
                try loaded.save(to: "\(path)/\(Train.baseName)")
            }
        } else {
            trainer.weights.restoreTypes()
            try folder.publish(last: "config.json") { try loaded.save(to: $0) }
        }
        try tell(summary, trainer, curve)
    }

    private func load(_ device: Device) throws -> LoadedModel {
        let folder = try source.folder()
        try quantization.checkSkips(folder)
        let wanted = try plan.map { plan throws(ModelFileError) in try plan.quantization(for: folder) } ?? quantization.applied(to: loadIn)
        let options = LoadOptions(
            weights.loaded(wanted), computeDType: compute.compute?.dtype, activations: compute.activations.dtype, cache: compute.cache?.dtype,
            device: device)
        let bar = ProgressBar("loading")
        let loaded = try LoadedModel(folder, options: options) { bar.update($0) }
        bar.finish()
        try quantization.requireCoverage?.check(loaded.report.coverage)
        Console.warn(loaded.report.warnings)
        return loaded
    }

    private func encoder(_ loaded: LoadedModel, tokenizer: Tokenizer) -> ExampleEncoder {
        ExampleEncoder(
            for: loaded, tokenizer: tokenizer, maximumLength: data.batches.maxLength ?? min(1024, loaded.model.contextLength),
            truncation: data.truncation, learnsPrompts: data.lossOn == .everything)
    }

    private func options(_ rule: any UpdateRule, _ moments: MomentStorage, _ encoder: ExampleEncoder, _ training: TrainingData) -> TrainingOptions {
        var options = TrainingOptions(
            duration: course.steps.map { .steps($0) } ?? .epochs(course.epochs ?? 1), batches: data.plan(maxLength: encoder.maximumLength),
            rule: rule, moments: moments, seed: course.seed.number)
        options.evaluationBatches = data.batches.evalBatchSize.map { data.batches.size($0, maxLength: encoder.maximumLength) }
        options.accumulation = data.batches.accumulate
        options.warmupSteps = course.warmupSteps.steps(of: options.steps(over: training))
        options.schedule = course.schedule.shape(warmupSteps: options.warmupSteps)
        options.clipping = course.maxGradNorm > 0 ? .norm(course.maxGradNorm) : nil
        options.recomputesBlocks = course.recompute || course.offloadBlockInputs
        options.offloadsBlockInputs = course.offloadBlockInputs
        (options.evaluateEvery, options.patience) = (records.evalEvery, records.patience)
        (options.saveEvery, options.keptCheckpoints, options.keepsBest) = (records.saveEvery, records.keep, records.keepBest)
        return options
    }

    private func showTokens(_ files: [ExampleFile]) throws {
        let folder = try source.folder()
        let generation = try GenerationConfiguration(folder)
        let encoder = ExampleEncoder(
            folder, generation, tokenizer: try Tokenizer(folder), maximumLength: data.batches.maxLength ?? 1024, truncation: data.truncation,
            learnsPrompts: data.lossOn == .everything)
        for file in files {
            for index in 0..<min(3, file.count) {
                let example = try file.example(index, encoder)
                try Console.writeLine("\(file.place(of: index)): \(example.ids.count) tokens, \(example.targetCount) learned")
                try Console.writeLine(example.described(by: encoder.tokenizer).printable)
            }
        }
    }

    private func sampling(_ loaded: LoadedModel, _ tokenizer: Tokenizer) -> (TrainingEvent) throws -> Void {
        let completion = TextCompletion(loaded, tokenizer: tokenizer)
        return { event in
            guard case .evaluation = event else { return }
            for prompt in records.sample {
                let text = try completion(prompt, options: GenerationOptions(maxNewTokens: 48)).text
                Console.note("  \(prompt.printable) -> \(text.split(whereSeparator: \.isNewline).joined(separator: " ").printable)\n")
            }
        }
    }
}
