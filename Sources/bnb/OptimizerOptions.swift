import ArgumentParser

/// Which optimizer takes the steps.
struct OptimizerOptions: ParsableArguments {
    @Option(
        help: ArgumentHelp("An optimizer by its name in Hugging Face's training arguments: adamw_bnb_8bit, paged_lion_32bit, ...", valueName: "name"))
    var optimizer = "adamw_bnb_8bit"

    @Option(help: ArgumentHelp("Further settings of the optimizer: key=value, with commas between. (default: none)", valueName: "settings"))
    var optimArgs = ""
}
