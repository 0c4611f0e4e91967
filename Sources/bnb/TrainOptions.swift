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

    @Option(help: "What is learned of a prompt or a conversation: completions and what the assistant says, or all of it.")
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

/// What is trained.
struct WeightOptions: ParsableArguments {
    @Option(
        help: ArgumentHelp(
            "An adapter to go on with, a folder as PEFT writes it; its settings count, not those below. (default: a new one)", valueName: "folder"))
    var adapter: String?

    @Option(help: ArgumentHelp("Rank of the adapter's updates.", valueName: "number"))
    var loraRank = 16

    @Option(help: ArgumentHelp("Updates are scaled by this over the rank. (default: twice the rank)", valueName: "number"))
    var loraAlpha: Float?

    @Option(help: ArgumentHelp("Share of an update's input that is left out in each pass.", valueName: "share"))
    var loraDropout: Float = 0

    @Option(
        help: ArgumentHelp(
            "Layers that get an adapter: names such as q_proj, with commas between, or all-linear for all but the output head.", valueName: "names"))
    var targetModules = "all-linear"

    @Option(help: ArgumentHelp("Targets that get no adapter all the same: names with commas between. (default: none)", valueName: "names"))
    var excludeModules: String?

    @Option(help: ArgumentHelp("Modules that are trained and saved whole: names with commas between. (default: none)", valueName: "names"))
    var modulesToSave: String?

    @Flag(help: "Train the norms of an adapted weight's rows by themselves (DoRA).")
    var useDora = false

    @Flag(help: "Scale updates by --lora-alpha over the root of the rank (rsLoRA).")
    var useRslora = false

    @Option(
        help: ArgumentHelp(
            "What an adapter starts from; pissa and olora take it out of the weights, loftq makes up for what 4 bits have lost.", valueName: "start"))
    var loraStart = StartName.kaiming

    @Option(
        help: ArgumentHelp(
            "Rounds of --lora-start loftq; from 2 on the quantized weights change as well, and stand beside the adapter, in base.",
            valueName: "number")
    )
    var loftqIter = 1

    @Flag(help: "Train the model itself instead of an adapter.")
    var full = false

    @Option(
        help: ArgumentHelp(
            "With --full: train these layers alone: a path, its beginning or end, or an expression; may be repeated. (default: all)",
            valueName: "name"))
    var trainOnly: [String] = []

    func validate() throws {
        if !(loraDropout >= 0 && loraDropout < 1) { throw ValidationError("--lora-dropout \(loraDropout) is not from 0 to below 1") }
        if loftqIter < 1 { throw ValidationError("--loftq-iter \(loftqIter) is not at least 1") }
        if loftqIter > 1 && loraStart != .loftq { throw ValidationError("--loftq-iter needs --lora-start loftq") }
        if !trainOnly.isEmpty && !full { throw ValidationError("--train-only needs --full") }
        if adapter != nil && full { throw ValidationError("--adapter and --full both say what is trained; give one") }
        if let loraAlpha, !(loraAlpha > 0 && loraAlpha.isFinite) { throw ValidationError("--lora-alpha \(loraAlpha) is not above 0") }
    }

    /// Whether the adapter changes the weights that it stands around for good.
    var hasOwnBase: Bool { !full && adapter == nil && loftqIter > 1 }

    /// - Parameter baseModel: what the adapter is for, as its file is to say.
    func configuration(baseModel: String?) -> LoRAConfiguration {
        func names(_ text: String) -> [String] { text.split(separator: ",").map { String($0.drop { $0 == " " }) } }
        var configuration = LoRAConfiguration(
            rank: loraRank, alpha: loraAlpha ?? 2 * Float(loraRank), dropout: loraDropout,
            targets: targetModules == "all-linear" ? .allLinear : .named(names(targetModules)), isRankStabilized: useRslora, baseModel: baseModel)
        configuration.excluded = excludeModules.map { .named(names($0)) }
        configuration.modulesToSave = modulesToSave.map(names) ?? []
        configuration.isWeightDecomposed = useDora
        configuration.start = loraStart.start(rounds: loftqIter)
        return configuration
    }
}

/// What an adapter starts from, by PEFT's names: also `pissa_niter_16`, which takes so many rounds instead of as many as it takes.
enum StartName: ExpressibleByArgument, Equatable {
    case kaiming, gaussian, olora, loftq
    case pissa(iterations: Int? = nil)

    private static let rounds = "pissa_niter_"
    static let allValueStrings = ["kaiming", "gaussian", "pissa", "pissa_niter_16", "olora", "loftq"]

    init?(argument: String) {
        switch argument {
        case "kaiming": self = .kaiming
        case "gaussian": self = .gaussian
        case "pissa": self = .pissa()
        case "olora": self = .olora
        case "loftq": self = .loftq
        default:
            guard argument.hasPrefix(StartName.rounds), let iterations = Int(argument.dropFirst(StartName.rounds.count)), iterations >= 0 else {
                return nil
            }
            self = .pissa(iterations: iterations)
        }
    }

    var defaultValueDescription: String { argument }

    var argument: String {
        switch self {
        case .kaiming: "kaiming"
        case .gaussian: "gaussian"
        case .olora: "olora"
        case .loftq: "loftq"
        case .pissa(let iterations): iterations.map { "\(StartName.rounds)\($0)" } ?? "pissa"
        }
    }

    /// - Parameter rounds: of LoftQ.
    func start(rounds: Int) -> LoRAStart {
        switch self {
        case .kaiming: .kaiming
        case .gaussian: .gaussian
        case .olora: .olora
        case .loftq: .loftQ(rounds: rounds)
        case .pissa(let iterations): .pissa(iterations: iterations)
        }
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

/// How long the learning rate grows: a number of steps, or below 1 a share of all.
enum WarmUp: ExpressibleByArgument, CustomStringConvertible {
    case steps(Int)
    case share(Double)

    init?(argument: String) {
        if let steps = Int(argument) {
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
        case .share(let share): "\(share)"
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

    @Option(help: ArgumentHelp("The highest one of the run. (default: 0.0002, with --full 0.00002)", valueName: "number"))
    var learningRate: Double?

    @Option(help: "What becomes of the learning rate after the warm-up.")
    var schedule = ScheduleName.linear

    @Option(help: ArgumentHelp("Steps over which the learning rate grows from 0; below 1 a share of the run's.", valueName: "number"))
    var warmupSteps = WarmUp.steps(10)

    @Option(help: ArgumentHelp("Of matrices; biases and the weights of norms do not decay.", valueName: "number"))
    var weightDecay = 0.0

    @Option(help: ArgumentHelp("Gradients together are scaled to at most this norm; 0 for no limit.", valueName: "number"))
    var maxGradNorm = 1.0

    @Flag(help: "Compute the inside of blocks again on the way back instead of keeping it: less memory, a third more time.")
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
