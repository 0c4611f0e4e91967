import ArgumentParser
import BitsBench
import BitsCore
import BitsIO
import BitsModels
import BitsNN
import BitsTune
import CLexicon

/// `bnb evaluate`: how well a model predicts a text.
struct Evaluate: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Measure the mean negative log-likelihood and perplexity of a text.",
        discussion: """
            The text is tokenized as one, without special tokens, and cut into windows; in each, every token but the first is predicted from those \
            before it.
            """)

    @OptionGroup var model: ModelOptions

    @Option(help: ArgumentHelp("A file of text, or - for standard input. (default: the text built in)", valueName: "file"))
    var text: String?

    @Option(help: ArgumentHelp("Tokens per window.", valueName: "number"))
    var window = 512

    @Option(help: ArgumentHelp("Evaluate the first windows alone. (default: all)", valueName: "number"))
    var windows: Int?

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
    }

    func run() throws {
        clexicon_link()
        if let logits { try OutputFile.check(logits) }
        let text = try text.map { path throws(ModelFileError) in try TextInput.read(path) } ?? Evaluate.builtInText()
        let (folder, loaded) = try model.load()
        let tokens = try Tokenizer(folder).encode(text, addsSpecialTokens: false)
        let cut = try EvaluationWindows(tokens, length: window, limit: windows, model: loaded.model)
        let bar = ProgressBar("evaluating")
        let start = ContinuousClock.now
        let evaluation = try loaded.model.evaluate(cut) { bar.update($0) }
        let seconds = (ContinuousClock.now - start) / .seconds(1)
        if let logits { try loaded.model.writeLogits(cut, to: logits) }
        let speed = Double(evaluation.windows * window) / seconds
        guard json else {
            return try Console.writeLine(
                "nll \(Bytes.rounded(evaluation.nll, 5)), perplexity \(Bytes.rounded(evaluation.perplexity, 4)) over \(evaluation.tokens) tokens "
                    + "(\(evaluation.windows) windows of \(window)), \(Int(speed)) tokens/s")
        }
        try Console.writeLine(
            JSONValue.object([
                "nll": .number(finite: evaluation.nll), "perplexity": .number(finite: evaluation.perplexity),
                "tokens": .number(JSONNumber(evaluation.tokens)), "windows": .number(JSONNumber(evaluation.windows)),
                "window": .number(JSONNumber(window)), "model": .string(folder.description),
                "load_in": model.loadIn?.argument.map { .string($0) } ?? .null, "compute": .string(loaded.report.computeDType.rawValue),
                "seconds": .number(JSONNumber(seconds)), "tokens_per_second": .number(JSONNumber(speed)),
                "peak_memory_bytes": Diagnosis.peakMemory.map { .number(JSONNumber($0)) } ?? .null,
                "weight_bytes": .number(JSONNumber(loaded.report.byteCount)),
            ]
            ).compactText)
    }

    private static func builtInText() throws -> String {
        guard let file = MappedFile(embedded: "text/valid.txt") else { throw ValidationError("--text is missing; name a file of text") }
        return String(decoding: file.bytes(in: 0..<file.byteCount), as: UTF8.self)
    }
}
