import ArgumentParser
import BitsBench
import BitsCore
import BitsIO
import BitsTune

/// The command: one file per verb.
@main
struct Bnb: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "bnb",
        abstract: "Run and fine-tune language models in a quarter of their memory.",
        discussion: """
            Results go to standard output, progress to standard error. Exit codes: 0; 64 for wrong usage, 65 for bad input, 69 for a missing device, \
            71 for a lack of memory, 74 for files that cannot be read or written, 128 and the signal's number for an interruption. BNB_NUM_THREADS sets the number of threads, BNB_CPU (portable, avx2, avx512, amx) caps the \
            instructions used.
            """,
        version: "bnb \(Diagnosis.version)",
        subcommands: [Demo.self, Quantize.self, Dequantize.self, Generate.self, Evaluate.self, Inspect.self, Doctor.self, Bench.self])

    static func main() {
        let arguments = HuggingFaceNames.replaced(in: TextValues.kept(in: Array(CommandLine.arguments.dropFirst())))
        do {
            if let verb = arguments.first, let problem = problem(verb: verb) { throw Failure(.usage, problem) }
            var command = try parseAsRoot(arguments)
            if let problem = Processor.environmentProblem { throw Failure(.usage, problem) }
            Console.handleSignals(
                lostFile: ("bnb: ", " was shortened or failed while it was read; run again\n", Failure.Code.file.rawValue),
                lackOfMemory: (
                    "bnb: there is not enough memory; use a smaller model, batch or context, or raise the limit (ulimit -v)\n",
                    Failure.Code.memory.rawValue
                ))
            do { try command.run() } catch let error as ValidationError { throw Failure(error, of: type(of: command)) }
        } catch {
            let misspelt = exitCode(for: error) == .validationFailure ? problem(options: arguments) : nil
            guard let failure = Failure(error) ?? misspelt.map({ Failure(.usage, $0) }) else { exit(withError: error) }
            failure.exit()
        }
    }

    /// The first option that the verb does not have, and what it may have meant; nil where it has all of them.
    private static func problem(options arguments: [String]) -> String? {
        guard let verb = configuration.subcommands.first(where: { $0._commandName == arguments.first }) else { return nil }
        let words = helpMessage(for: verb).split { !($0.isLetter || $0.isNumber || $0 == "-") }
        let known = Set(words.filter { $0.hasPrefix("--") && $0.count > 2 }.map(String.init))
        for argument in arguments.prefix(while: { $0 != "--" }) where argument.hasPrefix("--") {
            let name = String(argument.prefix { $0 != "=" })
            guard !known.contains(name), name != "--help", name != "--version" else { continue }
            let meant = Suggestion.nearest(to: name, among: known.sorted()).map { "did you mean '\($0)'? " } ?? ""
            return "\(verb._commandName) has no option '\(name)'; \(meant)see 'bnb \(verb._commandName) --help'"
        }
        return nil
    }

    /// What is wrong with a first argument that is no option; nil for a verb that is there.
    private static func problem(verb: String) -> String? {
        let verbs = configuration.subcommands.map { $0._commandName } + ["help"]
        guard !verb.hasPrefix("-"), !verbs.contains(verb) else { return nil }
        return "no verb '\(verb)'; \(Suggestion.text(for: verb, among: verbs))"
    }
}
