import ArgumentParser

/// The command: one file per verb.
@main
struct Bnb: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "bnb",
        abstract: "Run and fine-tune language models in a quarter of their memory.",
        subcommands: [Demo.self, Bench.self])
}
