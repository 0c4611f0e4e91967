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

    @OptionGroup var batches: BatchOptions

    @OptionGroup var method: OptimizerOptions

    /// Tokens of a pass that are gone through at most: each takes some memory here too.
    static let mostTokens = 1 << 22

    func validate() throws {
        if sequences < 1 { throw ValidationError("--sequences \(sequences) is not at least 1") }
        if let context, context < 2 { throw ValidationError("--context \(context) is not at least 2") }
    }

    /// The lengths for `model`, checked.
    func lengths(for model: CausalLanguageModel) throws -> (context: Int, maxLength: Int) {
        let lengths = (context: context ?? min(2048, model.contextLength), maxLength: batches.maxLength ?? min(1024, model.contextLength))
        for (name, value) in [("--context", lengths.context), ("--max-length", lengths.maxLength)] where value > model.contextLength {
            throw ValidationError("\(name) \(value) is beyond the model's context of \(model.contextLength)")
        }
        let factors = [
            ("--sequences", sequences, lengths.context), ("--batch-size", batches.batchSize, lengths.maxLength),
            ("--eval-batch-size", batches.evalBatchSize ?? 1, lengths.maxLength),
        ]
        for (name, count, length) in factors where count > WorkOptions.mostTokens / length {
            throw ValidationError(
                "\(name) \(count) of \(length) tokens each is beyond the \(WorkOptions.mostTokens) tokens of a pass that can be estimated")
        }
        guard batches.accumulate <= 1024 else { throw ValidationError("--accumulate \(batches.accumulate) is beyond 1024") }
        return lengths
    }

    /// What a run of training is, but for its batches.
    func training() throws -> TrainingOptions {
        let name = try OptimizerName(method.optimizer)
        var options = TrainingOptions(rule: try name.rule(learningRate: 2e-4, arguments: method.optimArgs), moments: name.storage)
        (options.accumulation, options.batches.pads) = (batches.accumulate, batches.padding)
        // Examples of full length fill a packed batch as well.
        options.evaluationBatches = batches.evalBatchSize.map { .examples($0) }
        return options
    }
}

/// Which device is meant: it need not be there.
struct MeantDeviceOptions: ParsableArguments {
    @Option(
        help: ArgumentHelp(
            "What device is meant: cpu, cuda or cuda:N, or auto: the first GPU if there is one, else the processor. A GPU need not be there if --device-memory "
                + "says how large it is.", valueName: "device"))
    var device = "auto"

    @Option(
        help: ArgumentHelp("How much memory it has: 24GB, 16GiB, ... (default: what is free on this machine's device)", valueName: "size"))
    var deviceMemory: ByteSize?
}
