import ArgumentParser
import BitsCore
import BitsModels
import BitsOptim
import BitsTune

/// What the model is to do, as far as memory asks for it.
struct WorkOptions: ParsableArguments {
    @Option(help: ArgumentHelp("Sequences that are generated together.", valueName: "number"))
    var sequences = 1

    @Option(
        help: ArgumentHelp(
            "Tokens of a sequence with its prompt, which is as long as it can be. (default: 2048, or the model's context if that is less)",
            valueName: "number"))
    var context: Int?

    @Option(help: ArgumentHelp("Examples a batch.", valueName: "number"))
    var batchSize = 8

    @Option(help: ArgumentHelp("Examples a batch of an evaluation. (default: --batch-size)", valueName: "number"))
    var evalBatchSize: Int?

    @Option(help: ArgumentHelp("Tokens of an example. (default: 1024, or the model's context if that is less)", valueName: "number"))
    var maxLength: Int?

    @Option(help: ArgumentHelp("Batches a step, whose gradients are added up.", valueName: "number"))
    var accumulate = 1

    @Flag(help: "Fill batches with as many examples as --batch-size times --max-length tokens have room for.")
    var packing = false

    @Flag(help: "Fill the examples of a batch up to the longest, instead of putting them behind one another.")
    var padding = false

    @Option(
        help: ArgumentHelp("An optimizer by its name in Hugging Face's training arguments: adamw_bnb_8bit, paged_lion_32bit, ...", valueName: "name"))
    var optimizer = "adamw_bnb_8bit"

    @Option(help: ArgumentHelp("Further settings of the optimizer: key=value, with commas between. (default: none)", valueName: "settings"))
    var optimArgs = ""

    /// Tokens of a pass that are gone through at most: each takes some memory here too.
    static let mostTokens = 1 << 22

    func validate() throws {
        let counts = [
            ("--sequences", sequences), ("--batch-size", batchSize), ("--eval-batch-size", evalBatchSize ?? 1), ("--accumulate", accumulate),
        ]
        for (name, value) in counts where value < 1 { throw ValidationError("\(name) \(value) is not at least 1") }
        if packing && padding { throw ValidationError("--packing leaves nothing to fill up; give it or --padding") }
        for (name, value) in [("--context", context), ("--max-length", maxLength)] {
            if let value, value < 2 { throw ValidationError("\(name) \(value) is not at least 2") }
        }
    }

    /// The lengths for `model`, checked.
    func lengths(for model: CausalLanguageModel) throws -> (context: Int, maxLength: Int) {
        let lengths = (context: context ?? min(2048, model.contextLength), maxLength: maxLength ?? min(1024, model.contextLength))
        for (name, value) in [("--context", lengths.context), ("--max-length", lengths.maxLength)] where value > model.contextLength {
            throw ValidationError("\(name) \(value) is beyond the model's context of \(model.contextLength)")
        }
        let factors = [
            ("--sequences", sequences, lengths.context), ("--batch-size", batchSize, lengths.maxLength),
            ("--eval-batch-size", evalBatchSize ?? 1, lengths.maxLength),
        ]
        for (name, count, length) in factors where count > WorkOptions.mostTokens / length {
            throw ValidationError(
                "\(name) \(count) of \(length) tokens each is beyond the \(WorkOptions.mostTokens) tokens of a pass that can be estimated")
        }
        guard accumulate <= 1024 else { throw ValidationError("--accumulate \(accumulate) is beyond 1024") }
        return lengths
    }

    /// What a run of training is, but for its batches.
    func training() throws -> TrainingOptions {
        let name = try OptimizerName(optimizer)
        var options = TrainingOptions(rule: try name.rule(learningRate: 2e-4, arguments: optimArgs), moments: name.storage)
        (options.accumulation, options.batches.pads) = (accumulate, padding)
        // Examples of full length fill a packed batch as well.
        options.evaluationBatches = evalBatchSize.map { .examples($0) }
        return options
    }
}

/// Which device is meant: it need not be there.
struct MeantDeviceOptions: ParsableArguments {
    @Option(
        help: ArgumentHelp(
            "What device is meant: cpu, cuda or cuda:N, or auto: the first GPU if there is one, else the processor. cuda need not be there if --device-memory "
                + "says how large it is.", valueName: "device"))
    var device = "auto"

    @Option(
        help: ArgumentHelp("How much memory it has: 24GB, 16GiB, ... (default: what is free on this machine's device)", valueName: "size"))
    var deviceMemory: ByteSize?
}
