import ArgumentParser
import BitsBench
import BitsCore
import BitsIO
import BitsModels
import BitsNN
import BitsTune
import CLexicon

/// `bnb generate`: text that continues prompts.
struct Generate: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Continue a prompt, word by word; or several at once.",
        discussion: """
            How tokens are drawn is taken from the model's generation_config.json, unless an option says otherwise; without either, the most likely \
            token is taken each time, and any option of drawing turns drawing on. Of several prompts each \
            is continued as it would be alone, but for the rounding of products of several rows; the texts are written one after the other.
            """)

    @OptionGroup var model: ModelOptions

    @Option(
        name: [.short, .long],
        help: ArgumentHelp(
            "What to continue; - reads standard input; may be repeated. (default: none, but there has to be a prompt)", valueName: "text"))
    var prompt: [String] = []

    @Option(help: ArgumentHelp("A file that holds what to continue; may be repeated. (default: none)", valueName: "file"))
    var promptFile: [String] = []

    @Option(
        name: [.customShort("n"), .long], help: ArgumentHelp("Tokens to generate at most. (default: the model's, else 128)", valueName: "number"))
    var maxNewTokens: Int?

    @Flag(help: "Take the most likely token each time.")
    var greedy = false

    @Flag(help: "Draw at random.")
    var doSample = false

    @Option(help: ArgumentHelp("Above 1 more surprising, below 1 less; 0 is --greedy. (default: the model's, else 1)", valueName: "number"))
    var temperature: Float?

    @Option(help: ArgumentHelp("Draw from this many most likely tokens; 0 for all. (default: the model's, else 50)", valueName: "number"))
    var topK: Int?

    @Option(
        help: ArgumentHelp("Draw from the most likely tokens that together have this probability. (default: the model's, else 1)", valueName: "share")
    )
    var topP: Float?

    @Option(
        help: ArgumentHelp(
            "Draw from the tokens that are at least this share as likely as the likeliest. (default: the model's, else 0)", valueName: "share"))
    var minP: Float?

    @Option(help: ArgumentHelp("Above 1 makes tokens that were there before less likely. (default: the model's, else 1)", valueName: "number"))
    var repetitionPenalty: Float?

    @Option(help: ArgumentHelp("End the text before this string; may be repeated. (default: none)", valueName: "text"))
    var stop: [String] = []

    @Option(help: ArgumentHelp("The same seed gives the same text; several prompts take it and those after it.", valueName: "number"))
    var seed = Seed(0)

    @Flag(help: "Print a JSON object for each prompt at the end, nothing before.")
    var json = false

    func validate() throws {
        if prompt.isEmpty && promptFile.isEmpty {
            throw ValidationError("no prompt; give --prompt TEXT, --prompt - to read standard input, or --prompt-file")
        }
        if prompt.count(where: { $0 == "-" }) > 1 { throw ValidationError("--prompt - reads all of standard input; give it once") }
        if greedy && (doSample || temperature.map { $0 > 0 } ?? false || topK != nil || topP != nil || minP != nil) {
            throw ValidationError("--greedy takes no --do-sample, --temperature, --top-k, --top-p or --min-p")
        }
        if let maxNewTokens, maxNewTokens < 1 { throw ValidationError("--max-new-tokens \(maxNewTokens) is not at least 1") }
    }

    func run() throws {
        clexicon_link()
        let clock = ContinuousClock()
        let prompts = try prompts()
        let start = clock.now
        let (folder, loaded) = try model.load()
        let completion = TextCompletion(loaded, tokenizer: try Tokenizer(folder))
        Console.warn(completion.warning.map { [$0] } ?? [])
        let loadTime = clock.now - start
        let streams = !json && prompts.count == 1
        let results = try completion(prompts, options: try options(loaded.generation)) { (_, text) throws(ModelFileError) in
            if streams { try Console.write(text) }
        }
        for result in results {
            if json {
                try Console.writeLine(description(of: result, loaded: loaded, loadTime: loadTime).compactText)
            } else {
                try Console.writeLine(streams ? "" : result.text)
            }
        }
    }

    /// A text's last line end belongs to the file or the line that was typed.
    private func prompts() throws -> [String] {
        try prompt.map { $0 == "-" ? Generate.withoutLastLineEnd(try TextInput.read("-")) : $0 }
            + promptFile.map { Generate.withoutLastLineEnd(try TextInput.read($0)) }
    }

    private static func withoutLastLineEnd(_ text: String) -> String { text.last?.isNewline == true ? String(text.dropLast()) : text }

    private func description(of result: TextCompletion.Result, loaded: LoadedModel, loadTime: Duration) -> JSONValue {
        .object([
            "text": .string(result.text), "tokens": .number(JSONNumber(result.generation.tokens.count)),
            "token_ids": .array(result.generation.tokens.map { .number(JSONNumber(Int($0))) }),
            "prompt_tokens": .number(JSONNumber(result.generation.promptTokens)), "finish_reason": .string(result.reachedEnd ? "stop" : "length"),
            "tokens_per_second": .number(JSONNumber(result.generation.tokensPerSecond)),
            "load_seconds": .number(JSONNumber(loadTime / .seconds(1))),
            "prefill_seconds": .number(JSONNumber(result.generation.prefillTime / .seconds(1))),
            "peak_memory_bytes": Diagnosis.peakMemory.map { .number(JSONNumber($0)) } ?? .null,
            "weight_bytes": .number(JSONNumber(loaded.report.byteCount)), "compute": .string(loaded.report.computeDType.rawValue),
            "decode_seconds": .number(JSONNumber(result.generation.decodeTime / .seconds(1))),
        ])
    }

    private func options(_ model: GenerationConfiguration) throws -> GenerationOptions {
        var options = GenerationOptions(model)
        if greedy {
            options.sampling = SamplingOptions(temperature: 0)
        } else if model.samples || doSample || temperature != nil || topK != nil || topP != nil || minP != nil {
            options.sampling = SamplingOptions(
                temperature: temperature ?? model.temperature, topK: topK ?? model.topK, topP: topP ?? model.topP, minP: minP ?? model.minP)
        }
        options.sampling.repetitionPenalty = repetitionPenalty ?? model.repetitionPenalty
        options.maxNewTokens = maxNewTokens ?? options.maxNewTokens
        options.stopStrings = stop
        options.seed = seed.number
        if let problem = options.problem { throw ValidationError(problem) }
        return options
    }
}
