public import ArgumentParser
import BitsIO
import BitsOptim
public import BitsTune

/// A file of examples, and how often an epoch goes through it: `file`, or `file=2`.
struct WeightedPath: ExpressibleByArgument {
    let path: String
    let weight: Double
    let argument: String

    init?(argument: String) {
        self.argument = argument
        guard let place = argument.lastIndex(of: "="), let weight = Double(argument[argument.index(after: place)...]) else {
            (path, weight) = (argument, 1)
            return
        }
        guard weight > 0, weight <= 1000 else { return nil }
        (path, self.weight) = (String(argument[..<place]), weight)
    }
}

extension Truncation: ExpressibleByArgument {}

/// What is learned of an example.
enum LearnedPart: String, CaseIterable, ExpressibleByArgument {
    case completions, everything
}

/// What is learned from, and how it is put together.
struct DataOptions: ParsableArguments {
    @Option(
        name: [.short, .long],
        help: ArgumentHelp(
            "A file of examples, JSON lines with 'text', 'prompt' and 'completion', or 'messages', or a CSV table with such columns; with =2 it is gone through twice an "
                + "epoch, with =0.5 half; may be repeated.", valueName: "file"))
    var data: [WeightedPath]

    @Option(help: ArgumentHelp("Examples to measure the loss on; may be repeated. (default: none)", valueName: "file"))
    var evalData: [String] = []

    @OptionGroup var batches: BatchOptions

    @Option(help: "What is left of an example that is too long.")
    var truncation = Truncation.keepStart

    @Option(
        help: ArgumentHelp("What is learned of a prompt or a conversation: completions and what the assistant says, or all of it.", valueName: "part")
    )
    var lossOn = LearnedPart.completions

    @Flag(help: "Bring examples of about the same length together.")
    var groupByLength = false

    @Flag(help: "Take the examples in the order of their files.")
    var noShuffle = false

    @Flag(help: "Print the first examples as they are learned, and end.")
    var showTokens = false

    func validate() throws {
        if data.isEmpty { throw ValidationError("--data is missing; name a file of examples") }
    }

    func plan(maxLength: Int) -> BatchPlan {
        BatchPlan(
            batches.size(batches.batchSize, maxLength: maxLength), pads: batches.padding, groupsByLength: groupByLength, shuffles: !noShuffle)
    }
}

/// How the learning rate changes, by the names that Hugging Face has.
enum ScheduleName: String, CaseIterable, ExpressibleByArgument {
    case constant, linear, cosine, polynomial
    case cosineWithRestarts = "cosine_with_restarts"
    case constantWithWarmup = "constant_with_warmup"
    case inverseSquareRoot = "inverse_sqrt"

    func shape(warmupSteps: Int) -> LearningRateSchedule.Shape {
        switch self {
        case .constant, .constantWithWarmup: .constant
        case .linear: .linear
        case .cosine: .cosine(cycles: 0.5)
        case .cosineWithRestarts: .cosineWithRestarts(cycles: 1)
        case .polynomial: .polynomial(power: 1, end: 1e-7)
        case .inverseSquareRoot: LearningRateSchedule.inverseSquareRoot(warmupSteps: warmupSteps).shape
        }
    }
}

/// How long the learning rate grows: a number of steps, or below 1 a share of all, which may be in percent: `3%`.
enum WarmUp: ExpressibleByArgument, CustomStringConvertible {
    case steps(Int)
    case share(Double)

    init?(argument: String) {
        if argument.hasSuffix("%") {
            guard let percent = Double(argument.dropLast()), percent >= 0, percent <= 100 else { return nil }
            self = .share(percent / 100)
        } else if let steps = Int(argument) {
            guard steps >= 0 else { return nil }
            self = .steps(steps)
        } else {
            guard let number = Double(argument), number >= 0, number < 1 || number == number.rounded(), number < 1e15 else { return nil }
            self = number < 1 ? .share(number) : .steps(Int(number))
        }
    }

    /// In a run of `all` steps; part of one counts as one.
    func steps(of all: Int) -> Int {
        switch self {
        case .steps(let steps): steps
        case .share(let share): Int((share * Double(all)).rounded(.up))
        }
    }

    var description: String {
        switch self {
        case .steps(let steps): "\(steps)"
        // A share of 1 would be a step.
        case .share(let share): share < 1 ? "\(share)" : "100%"
        }
    }

    var defaultValueDescription: String { description }
}

/// How steps are taken, and how many.
struct CourseOptions: ParsableArguments {
    @Option(help: ArgumentHelp("Passes over the data. (default: 1, if there is no --steps)", valueName: "number"))
    var epochs: Double?

    @Option(help: ArgumentHelp("Steps. (default: what --epochs are)", valueName: "number"))
    var steps: Int?

    @OptionGroup var method: OptimizerOptions

    @Option(help: ArgumentHelp("How much of the mean of gradients stays in a step of AdamW, AdEMAMix or Lion. (default: 0.9)", valueName: "number"))
    var adamBeta1: Double?

    @Option(help: ArgumentHelp("How much of the mean of their squares stays. (default: 0.999)", valueName: "number"))
    var adamBeta2: Double?

    @Option(help: ArgumentHelp("What is added to the root of that mean. (default: 1e-8)", valueName: "number"))
    var adamEpsilon: Double?

    @Option(help: ArgumentHelp("The highest one of the run. (default: 0.0002, with --full 0.00002)", valueName: "number"))
    var learningRate: Double?

    @Option(help: "What becomes of the learning rate after the warm-up.")
    var schedule = ScheduleName.linear

    @Option(
        help: ArgumentHelp("Steps over which the learning rate grows from 0; below 1, or with % behind, a share of the run's.", valueName: "number"))
    var warmupSteps = WarmUp.steps(10)

    @Option(help: ArgumentHelp("Of matrices; biases and the weights of norms do not decay.", valueName: "number"))
    var weightDecay = 0.0

    @Option(help: ArgumentHelp("Gradients together are scaled to at most this norm; 0 for no limit.", valueName: "number"))
    var maxGradNorm = 1.0

    @Flag(help: "Compute the inside of blocks again on the way back instead of keeping it: less memory, up to a third more time.")
    var recompute = false

    @Flag(help: "As --recompute, with the inputs of blocks in the host's memory meanwhile: on a GPU still less memory, in about the same time.")
    var offloadBlockInputs = false

    @Option(help: "Of the adapter's start, the order of the examples and dropout.")
    var seed = Seed(0)

    func validate() throws {
        if epochs != nil && steps != nil { throw ValidationError("--epochs and --steps both say how long the run is; give one") }
        if let epochs, !(epochs > 0 && epochs <= 1e6) { throw ValidationError("--epochs \(epochs) is not above 0") }
        if let steps, steps < 1 { throw ValidationError("--steps \(steps) is not at least 1") }
        if !(maxGradNorm >= 0) { throw ValidationError("--max-grad-norm \(maxGradNorm) is below 0") }
    }
}

/// What a run leaves, and what it tells meanwhile.
struct RunOptions: ParsableArguments {
    @Option(name: [.short, .long], help: ArgumentHelp("The folder of the run: checkpoints, log, and what came of it.", valueName: "folder"))
    var output: String

    @Flag(help: "Go on with the run in --output, from its newest checkpoint that is whole; options are those that it was started with.")
    var resume = false

    @Option(help: ArgumentHelp("Steps between evaluations. (default: one at the end)", valueName: "number"))
    var evalEvery: Int?

    @Option(help: ArgumentHelp("End after so many evaluations without a better loss. (default: never)", valueName: "number"))
    var patience: Int?

    @Option(help: ArgumentHelp("Steps between checkpoints. (default: one at the end)", valueName: "number"))
    var saveEvery: Int?

    @Option(help: ArgumentHelp("Keep the newest checkpoints alone. (default: all)", valueName: "number"))
    var keep: Int?

    @Flag(help: "Keep the checkpoint of the best evaluation too, and end with its weights.")
    var keepBest = false

    @Option(help: ArgumentHelp("Steps between lines that tell how the run goes, where no terminal shows it.", valueName: "number"))
    var logEvery = 10

    @Option(
        help: ArgumentHelp("A prompt to continue at every evaluation, to see what is learned; may be repeated. (default: none)", valueName: "text"))
    var sample: [String] = []

    @Flag(help: "Print one JSON object at the end.")
    var json = false

    func validate() throws {
        if output.isEmpty { throw ValidationError("--output is empty; name the folder of the run") }
        for (name, value) in [
            ("--eval-every", evalEvery), ("--patience", patience), ("--save-every", saveEvery), ("--keep", keep), ("--log-every", logEvery),
        ] { if let value, value < 1 { throw ValidationError("\(name) \(value) is not at least 1") } }
    }
}
