import ArgumentParser
import BitsIO
import BitsModels

/// How tokens are drawn and where a text ends: what the model says, unless an option says otherwise.
struct DrawingOptions: ParsableArguments {
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

    func validate() throws {
        if greedy && (doSample || temperature.map { $0 > 0 } ?? false || topK != nil || topP != nil || minP != nil) {
            throw ValidationError("--greedy takes no --do-sample, --temperature, --top-k, --top-p or --min-p")
        }
        if let maxNewTokens, maxNewTokens < 1 { throw ValidationError("--max-new-tokens \(maxNewTokens) is not at least 1") }
    }

    /// - Parameter defaultLength: tokens at most where nobody says, instead of 128.
    func options(_ model: GenerationConfiguration, defaultLength: Int? = nil) throws -> GenerationOptions {
        var options = GenerationOptions(model)
        if model.maximumNewTokens == nil, let defaultLength { options.maxNewTokens = defaultLength }
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
