import ArgumentParser
import BitsBench
import BitsIO
import FoundationEssentials

/// `bnb bench`: how long things take on this machine.
struct Bench: ParsableCommand {
    static let configuration = CommandConfiguration(abstract: "Time the kernels, generation and training.")

    @Flag(help: "Print the names that can be measured.")
    var list = false

    @Option(help: ArgumentHelp("Measure these alone; may be repeated. (default: all)", valueName: "name"))
    var only: [String] = []

    @Option(help: ArgumentHelp("How long to repeat each measurement.", valueName: "seconds"))
    var seconds = 1.0

    @Flag(help: "Print one JSON object per measurement.")
    var json = false

    @OptionGroup var machine: MachineOptions

    func validate() throws {
        guard seconds >= 0, seconds <= 3600 else { throw ValidationError("--seconds \(seconds) is not between 0 and 3600") }
    }

    func run() throws {
        let all = Measurement.all(on: try machine.prepare())
        let known = all.map(\.name)
        if let name = only.first(where: { !known.contains($0) }) {
            throw ValidationError("no measurement '\(name)'; \(Suggestion.text(for: name, among: known))")
        }
        let measurements = all.filter { only.isEmpty || only.contains($0.name) }
        if list {
            for measurement in measurements { try Console.writeLine(measurement.name) }
            return
        }
        for measurement in measurements {
            let timing = try measurement(for: .seconds(seconds))
            try Console.writeLine(json ? try line(timing) : timing.description)
        }
    }

    private func line(_ timing: Timing) throws -> String {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        return String(decoding: try encoder.encode(timing), as: UTF8.self)
    }
}
