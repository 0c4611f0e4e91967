import ArgumentParser
import BitsIO

/// The checkpoint that a verb makes.
struct CheckpointOutput: ParsableArguments {
    @Option(help: ArgumentHelp("Spread weights over files of at most this size: bytes, or 500MB, 5GB, ...", valueName: "size"))
    var maxShardSize = ByteSize.transformersDefault

    @Option(name: [.short, .long], help: ArgumentHelp("The folder to make; it must not exist.", valueName: "folder"))
    var output: String

    @Flag(help: "Print what was done as one JSON object.")
    var json = false

    func validate() throws {
        if output.isEmpty { throw ValidationError("--output is empty; name the folder to make") }
    }
}
