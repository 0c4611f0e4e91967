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
        help: ArgumentHelp(
            "A conversation to continue, as the model's chat template writes it: a JSON list of messages, or an object with 'messages' and 'tools'; - reads "
                + "standard input. (default: none)", valueName: "file"))
    var messages: String?

    @OptionGroup var template: TemplateOptions

    @OptionGroup var drawing: DrawingOptions

    @Flag(help: "Print a JSON object for each prompt at the end, nothing before.")
    var json = false

    func validate() throws {
        if prompt.isEmpty && promptFile.isEmpty && messages == nil {
            throw ValidationError("no prompt; give --prompt TEXT, --prompt - to read standard input, --prompt-file or --messages")
        }
        if messages != nil && !(prompt.isEmpty && promptFile.isEmpty) { throw ValidationError("--messages takes no --prompt and no --prompt-file") }
        if messages == nil && template.chatTemplate != nil { throw ValidationError("--chat-template needs --messages") }
        if prompt.count(where: { $0 == "-" }) > 1 { throw ValidationError("--prompt - reads all of standard input; give it once") }
    }

    func run() throws {
        clexicon_link()
        let clock = ContinuousClock()
        let texts = try prompts()
        let conversation = try messages.map { try MessageFile($0) }
        let start = clock.now
        let (folder, loaded) = try model.load()
        let completion = TextCompletion(loaded, tokenizer: try Tokenizer(folder))
        Console.warn(completion.warning.map { [$0] } ?? [])
        let loadTime = clock.now - start
        var options = try drawing.options(loaded.generation)
        var prompts = texts.map { completion.tokenizer.encode($0) }
        if let conversation {
            let chat = ChatCompletion(completion, template: try template.template(folder, hasTools: conversation.tools != nil))
            options.endTokens = chat.endTokens
            prompts = [try chat.prompt(conversation.messages, tools: conversation.tools)]
        }
        let streams = !json && prompts.count == 1
        let results = try completion(tokens: prompts, options: options) { (_, text) throws(ModelFileError) in
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
            "memory": loaded.model.computeDevice.memory.peak.json,
            "weight_bytes": .number(JSONNumber(loaded.report.byteCount)), "compute": .string(loaded.report.computeDType.rawValue),
            "decode_seconds": .number(JSONNumber(result.generation.decodeTime / .seconds(1))),
        ])
    }
}
