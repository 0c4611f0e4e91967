import ArgumentParser
import BitsBench
import BitsCore
import BitsIO
import BitsModels
import BitsNN
import BitsTune
import CLexicon

/// `bnb generate`: text that continues a prompt.
struct Generate: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Continue a prompt, word by word.",
        discussion: """
            How tokens are drawn is taken from the model's generation_config.json, unless an option says otherwise; without either, the most likely \
            token is taken each time.
            """)

    @OptionGroup var model: ModelOptions

    @Option(help: ArgumentHelp("What to continue.", valueName: "text"))
    var prompt: String

    @Option(help: ArgumentHelp("Tokens to generate at most.", valueName: "number"))
    var maxNewTokens: Int?

    @Flag(help: "Take the most likely token each time.")
    var greedy = false

    @Flag(help: "Draw at random.")
    var doSample = false

    @Option(help: ArgumentHelp("Above 1 more surprising, below 1 less; 0 is --greedy.", valueName: "number"))
    var temperature: Float?

    @Option(help: ArgumentHelp("Draw from this many most likely tokens; 0 for all.", valueName: "number"))
    var topK: Int?

    @Option(help: ArgumentHelp("Draw from the most likely tokens that together have this probability.", valueName: "share"))
    var topP: Float?

    @Option(help: ArgumentHelp("Above 1 makes tokens that were there before less likely.", valueName: "number"))
    var repetitionPenalty: Float?

    @Option(help: ArgumentHelp("The same seed gives the same text.", valueName: "number"))
    var seed: UInt64 = 0

    @Option(help: ArgumentHelp("What products round their operands to: float32 or bfloat16.", valueName: "type"))
    var compute = ComputeType.bfloat16

    @Flag(help: "Print one JSON object at the end, nothing before.")
    var json = false

    func validate() throws {
        if greedy && (doSample || temperature.map { $0 > 0 } ?? false || topK != nil || topP != nil) {
            throw ValidationError("--greedy takes no --do-sample, --temperature, --top-k or --top-p")
        }
        if let maxNewTokens, maxNewTokens < 1 { throw ValidationError("--max-new-tokens \(maxNewTokens) is not at least 1") }
    }

    func run() throws {
        clexicon_link()
        let clock = ContinuousClock()
        let start = clock.now
        let (folder, loaded) = try model.load(compute: compute)
        let completion = TextCompletion(loaded, tokenizer: try Tokenizer(folder))
        Console.warn(completion.warning.map { [$0] } ?? [])
        let loadTime = clock.now - start
        let options = try options(loaded.generation)
        let quiet = json
        let result = try completion(prompt, options: options) { (text) throws(ModelFileError) in
            if !quiet { try Console.write(text) }
        }
        guard json else { return try Console.write("\n") }
        try Console.writeLine(
            JSONValue.object([
                "text": .string(result.text), "tokens": .number(JSONNumber(result.generation.tokens.count)),
                "token_ids": .array(result.generation.tokens.map { .number(JSONNumber(Int($0))) }),
                "prompt_tokens": .number(JSONNumber(result.generation.promptTokens)), "finish_reason": .string(result.reachedEnd ? "stop" : "length"),
                "tokens_per_second": .number(JSONNumber(result.generation.tokensPerSecond)),
                "load_seconds": .number(JSONNumber(loadTime / .seconds(1))),
                "prefill_seconds": .number(JSONNumber(result.generation.prefillTime / .seconds(1))),
                "peak_memory_bytes": Diagnosis.peakMemory.map { .number(JSONNumber($0)) } ?? .null,
                "weight_bytes": .number(JSONNumber(loaded.report.byteCount)),
                "decode_seconds": .number(JSONNumber(result.generation.decodeTime / .seconds(1))),
            ]
            ).compactText)
    }

    private func options(_ model: GenerationConfiguration) throws -> GenerationOptions {
        var options = GenerationOptions()
        let asked = doSample || temperature != nil || topK != nil || topP != nil
        if (model.samples || asked) && !greedy {
            options.sampling.temperature = temperature ?? model.temperature
            options.sampling.topK = topK ?? model.topK
            options.sampling.topP = topP ?? model.topP
        }
        options.sampling.repetitionPenalty = repetitionPenalty ?? model.repetitionPenalty
        options.maxNewTokens = maxNewTokens ?? model.maximumNewTokens ?? options.maxNewTokens
        options.endTokens = Set(model.endTokens)
        options.seed = seed
        if let problem = options.sampling.problem { throw ValidationError(problem) }
        return options
    }
}
