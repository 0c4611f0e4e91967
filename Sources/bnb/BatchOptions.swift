import ArgumentParser
import BitsTune

/// How examples go through the model together, as a run does it and an estimate foretells it.
struct BatchOptions: ParsableArguments {
    @Option(help: ArgumentHelp("Examples a batch.", valueName: "number"))
    var batchSize = 8

    @Option(help: ArgumentHelp("Examples a batch of an evaluation. (default: --batch-size)", valueName: "number"))
    var evalBatchSize: Int?

    @Option(help: ArgumentHelp("Tokens of an example at most. (default: 1024, or the model's context if that is less)", valueName: "number"))
    var maxLength: Int?

    @Option(help: ArgumentHelp("Batches a step, whose gradients are added up.", valueName: "number"))
    var accumulate = 1

    @Flag(help: "Fill batches with as many examples as --batch-size times --max-length tokens have room for.")
    var packing = false

    @Flag(help: "Fill the examples of a batch up to the longest, instead of putting them behind one another; the loss is the same.")
    var padding = false

    /// More than any run has of examples or batches; with as many tokens each they can still be counted.
    private static let most = 1 << 20

    func validate() throws {
        for (name, value) in [("--batch-size", batchSize), ("--eval-batch-size", evalBatchSize ?? 1), ("--accumulate", accumulate)] {
            if value < 1 { throw ValidationError("\(name) \(value) is not at least 1") }
            if value > BatchOptions.most { throw ValidationError("\(name) \(value) is beyond the \(BatchOptions.most) that are taken") }
        }
        if let maxLength, maxLength < 2 { throw ValidationError("--max-length \(maxLength) is not at least 2") }
        if packing && padding { throw ValidationError("--packing leaves nothing to fill up; give it or --padding") }
    }

    /// A batch of so many examples, or what they have room for.
    func size(_ examples: Int, maxLength: Int) -> BatchPlan.Size { packing ? .tokens(examples * maxLength) : .examples(examples) }
}
