import ArgumentParser
import BitsBench
import BitsCore
import BitsIO
import BitsModels
import BitsNN
import BitsTune
import CLexicon

/// `bnb evaluate`: how well a model predicts a text, or gives labels.
struct Evaluate: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Measure how well a model predicts a text, or how often a classifier is right.",
        discussion: """
            A text is tokenized as one, without special tokens, and cut into windows; in each, every token but the first is predicted from those \
            before it (causal), or those that were masked at random from all others (masked). A classifier is given the texts of --data, a file with \
            a JSON object a line (text, label, and text_pair where there are two), or a table (.tsv, .csv) of text and label. One of tokens is given \
            words with a label each (tokens, labels), and asked for that of a word's first token.
            """)

    @OptionGroup var model: ModelOptions

    @Option(help: ArgumentHelp("What the model is to do: causal, masked, sequences or tokens. (default: what config.json says)", valueName: "task"))
    var task: EvaluatedTask?

    @Option(help: ArgumentHelp("A file of texts with labels, which --task sequences and tokens need. (default: none)", valueName: "file"))
    var data: String?

    @Option(help: ArgumentHelp("A file of text, or - for standard input. (default: the text built in)", valueName: "file"))
    var text: String?

    @Option(help: ArgumentHelp("Tokens per window.", valueName: "number"))
    var window = 512

    @Option(help: ArgumentHelp("Evaluate the first windows alone. (default: all)", valueName: "number"))
    var windows: Int?

    @Option(help: ArgumentHelp("The share of the tokens that --task masked masks.", valueName: "number"))
    var maskShare: Float = 0.15

    @Option(help: ArgumentHelp("Decides which those are.", valueName: "number"))
    var seed: UInt64 = 0

    @Option(
        help: ArgumentHelp(
            "Write tokens and logits of the windows to this safetensors file too; it must not exist. (default: they are not kept)", valueName: "file")
    )
    var logits: String?

    @Flag(help: "Print one JSON object.")
    var json = false

    func validate() throws {
        if window < 2 { throw ValidationError("--window \(window) is not at least 2") }
        if let windows, windows < 1 { throw ValidationError("--windows \(windows) is not at least 1") }
        guard maskShare > 0, maskShare <= 1 else { throw ValidationError("--mask-share \(maskShare) is not above 0 and at most 1") }
    }

    func run() throws {
        clexicon_link()
        if let logits { try OutputFile.check(logits) }
        let task = try task ?? EvaluatedTask(ModelConfiguration(model.source.folder(announcing: false)))
        if data != nil && task != .sequences && task != .tokens {
            throw ValidationError("--data is for --task sequences and tokens; name a --text for \(task.rawValue)")
        }
        if logits != nil && task != .causal { throw ValidationError("--logits is for --task causal") }
        switch task {
        case .causal: try evaluateCausal()
        case .masked: try evaluateMasked()
        case .sequences:
            try evaluateClassifier(
                SequenceClassifier.self, LabeledText.read, sequence: { LabeledSequence($0, tokenizer: $1, context: $2) },
                evaluate: { try $0.evaluate($1, progress: $2) })
        case .tokens:
            try evaluateClassifier(
                TokenClassifier.self, LabeledWords.read, sequence: { LabeledSequence($0, tokenizer: $1, context: $2) },
                evaluate: { try $0.evaluate($1, progress: $2) })
        }
    }

    private func evaluateCausal() throws {
        let text = try givenText()
        let (folder, loaded) = try model.load()
        let tokens = try Tokenizer(folder).encode(text, addsSpecialTokens: false)
        let cut = try EvaluationWindows(tokens, length: window, limit: windows, model: loaded.model)
        let bar = ProgressBar("evaluating")
        let start = ContinuousClock.now
        let evaluation = try loaded.model.evaluate(cut) { bar.update($0) }
        let seconds = (ContinuousClock.now - start) / .seconds(1)
        if let logits { try loaded.model.writeLogits(cut, to: logits) }
        try report(evaluation, window: window, folder: folder, loaded.report, seconds: seconds)
    }

    private func evaluateMasked() throws {
        let text = try givenText()
        let (folder, (loaded, loadReport)) = try model.load(for: MaskedLanguageModel.self)
        let tokenizer = try Tokenizer(folder)
        let tokens = tokenizer.encode(text, addsSpecialTokens: false)
        let length = min(window, loaded.contextLength)
        let masked = try MaskedWindows(
            tokens, length: length, limit: windows, mask: tokenizer.maskToken(folder), share: maskShare, frame: TokenFrame(of: tokenizer),
            using: RandomGenerator(seed: seed), model: loaded)
        let bar = ProgressBar("evaluating")
        let start = ContinuousClock.now
        let evaluation = try loaded.evaluate(masked) { bar.update($0) }
        try report(evaluation, window: length, folder: folder, loadReport, seconds: (ContinuousClock.now - start) / .seconds(1))
    }

    /// - Parameters:
    ///   - read: the examples of a file, with the names of the model's labels.
    ///   - sequence: an example's tokens, for a model of so many.
    private func evaluateClassifier<Task: RegisteredTask & TaskModel, Example>(
        _ task: Task.Type, _ read: (MappedFile, [String]) throws -> [Example], sequence: (Example, Tokenizer, Int) -> LabeledSequence,
        evaluate: (Task, [LabeledSequence], (Double) -> Void) throws -> ClassificationEvaluation
    ) throws {
        guard let data else { throw ValidationError("--data is missing; name a file of texts with labels") }
        let file: MappedFile
        do { file = try MappedFile(path: data) } catch { throw ModelFileError.system(error) }
        let (folder, (loaded, loadReport)) = try model.load(for: task)
        let examples = try read(file, ModelConfiguration(folder).labels)
        let tokenizer = try Tokenizer(folder)
        let sequences = examples.map { sequence($0, tokenizer, loaded.contextLength) }
        let bar = ProgressBar("evaluating")
        let start = ContinuousClock.now
        let evaluation = try evaluate(loaded, sequences) { bar.update($0) }
        let seconds = (ContinuousClock.now - start) / .seconds(1)
        guard json else {
            return try Console.writeLine(
                "accuracy \(Bytes.rounded(evaluation.accuracy, 4)) (\(evaluation.correct) of \(evaluation.labels)), nll \(Bytes.rounded(evaluation.nll, 5)), "
                    + "\(Int(Double(examples.count) / seconds)) texts/s")
        }
        try write(
            [
                "accuracy": .number(finite: evaluation.accuracy), "correct": .number(JSONNumber(evaluation.correct)),
                "labels": .number(JSONNumber(evaluation.labels)), "nll": .number(finite: evaluation.nll),
            ], folder: folder, loadReport, seconds: seconds)
    }

    private func givenText() throws -> String { try text.map { path throws(ModelFileError) in try TextInput.read(path) } ?? Evaluate.builtInText() }

    private func report(_ evaluation: Evaluation, window: Int, folder: ModelFolder, _ report: ModelReport, seconds: Double) throws {
        let speed = Double(evaluation.windows * window) / seconds
        guard json else {
            return try Console.writeLine(
                "nll \(Bytes.rounded(evaluation.nll, 5)), perplexity \(Bytes.rounded(evaluation.perplexity, 4)) over \(evaluation.tokens) tokens "
                    + "(\(evaluation.windows) windows of \(window)), \(Int(speed)) tokens/s")
        }
        try write(
            [
                "nll": .number(finite: evaluation.nll), "perplexity": .number(finite: evaluation.perplexity),
                "tokens": .number(JSONNumber(evaluation.tokens)), "windows": .number(JSONNumber(evaluation.windows)),
                "window": .number(JSONNumber(window)), "tokens_per_second": .number(JSONNumber(speed)),
            ], folder: folder, report, seconds: seconds)
    }

    /// One JSON object: `fields`, then which model it was and what it took.
    private func write(_ fields: JSONObject, folder: ModelFolder, _ report: ModelReport, seconds: Double) throws {
        var object = fields
        let model: [(String, JSONValue)] = [
            ("model", .string(folder.description)), ("load_in", model.loadIn?.argument.map { .string($0) } ?? .null),
            ("compute", .string(report.computeDType.rawValue)), ("seconds", .number(JSONNumber(seconds))),
            ("peak_memory_bytes", Diagnosis.peakMemory.map { .number(JSONNumber($0)) } ?? .null),
            ("weight_bytes", .number(JSONNumber(report.byteCount))),
        ]
        for (key, value) in model { object.insert(value, forKey: key) }
        try Console.writeLine(JSONValue.object(object).compactText)
    }

    /// The text that the built-in model is measured on.
    static func builtInText() throws -> String {
        guard let file = MappedFile(embedded: "text/valid.txt") else { throw ValidationError("--text is missing; name a file of text") }
        return String(decoding: file.bytes(in: 0..<file.byteCount), as: UTF8.self)
    }
}
