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
            Results go to standard output, progress to standard error. Exit codes: 0; 64 for wrong usage, 65 for bad input, 69 for a missing device, 70 for a kernel that is \
            not sound, 71 for a lack of memory, 74 for files that cannot be read or written, 128 and the signal's number for an interruption. BNB_NUM_THREADS sets the number of threads, BNB_CPU (portable, avx2, avx512, amx) caps the \
            instructions used.
            """,
        version: "bnb \(Diagnosis.version)",
        subcommands: [
            Demo.self, Train.self, Estimate.self, Quantize.self, Dequantize.self, Merge.self, Generate.self, Chat.self, Evaluate.self, Inspect.self,
            Doctor.self, Bench.self, Report.self,
        ])

    static func main() {
        var arguments = Array(CommandLine.arguments.dropFirst())
        var file: RunFile?
        do {
            let given = try HuggingFaceNames(TextValues.kept(in: arguments))
            arguments = given.arguments
            file = try RunFile(for: given)
            arguments = file?.arguments ?? arguments
            let passedOver = Set(given.passedOver + (file?.passedOver ?? [])).sorted()
            if !passedOver.isEmpty { Console.note("bnb: what says nothing here is passed over: \(passedOver.joined(separator: ", ").printable)\n") }
            if let problem = WrongUsage.problem(verb: arguments) { throw Failure(.usage, problem) }
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
            let answer = WrongUsage.answer(to: error, arguments).map { problem in
                Failure(.usage, (file.flatMap { $0.isMeant(by: problem) ? "\($0.path): " : nil } ?? "") + problem)
            }
            guard let failure = Failure(error) ?? answer else { exit(withError: error) }
            failure.exit()
        }
    }
}
