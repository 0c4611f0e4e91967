import ArgumentParser
import BitsIO

/// What a command line is answered that cannot be understood: one line that says what is wrong and, where that can be guessed, what was meant.
enum WrongUsage {
    /// What is wrong with the verb; nil for one that is there, and for options in its place, which the parser knows better.
    static func problem(verb arguments: [String]) -> String? {
        let verbs = Bnb.configuration.subcommands.map { $0._commandName } + ["help"]
        guard let verb = arguments.first == "help" ? arguments.dropFirst().first : arguments.first, !verb.hasPrefix("-"), !verbs.contains(verb) else {
            return nil
        }
        return "no verb '\(verb)'; \(Suggestion.text(for: verb, among: verbs))"
    }

    /// The answer to an error of the argument parser; nil where it is none of usage.
    static func answer(to error: any Error, _ arguments: [String]) -> String? {
        guard Bnb.exitCode(for: error) == .validationFailure else { return nil }
        guard let verb = Bnb.configuration.subcommands.first(where: { $0._commandName == arguments.first }) else {
            let verbs = Bnb.configuration.subcommands.map { $0._commandName }
            return "a verb comes first, as in 'bnb generate \(arguments.joined(separator: " "))'; there are: \(verbs.joined(separator: ", "))"
        }
        let options = OptionNames(verb)
        let given = arguments.dropFirst().prefix { $0 != "--" }
        return with(help(verb), options.unknown(in: given) ?? options.stray(in: given) ?? parserText(error))
    }

    /// What the parser could not know is wrong with a verb's options, in the same words as what it refuses itself.
    static func text(_ problem: String, of verb: any ParsableCommand.Type) -> String { with(help(verb), problem) }

    private static func help(_ verb: any ParsableCommand.Type) -> String { "see 'bnb \(verb._commandName) --help'" }

    private static func with(_ help: String, _ problem: String) -> String { problem + (problem.hasSuffix("?") ? " " : "; ") + help }

    /// The parser's own words, with what it says of the option where they do not tell what is allowed.
    private static func parserText(_ error: any Error) -> String {
        let text = Bnb.message(for: error)
        let sentence = (text.first?.lowercased() ?? "") + text.dropFirst()
        if sentence.hasSuffix(".") { return String(sentence.dropLast()) }
        let help = Bnb.fullMessage(for: error).split(separator: "\n").first { $0.hasPrefix("Help:") }
        guard let about = help?.split(separator: "  ").last?.split(separator: " (default").first else { return sentence }
        return "\(sentence) (\(about.last == "." ? about.dropLast() : about))"
    }
}

/// The options of a verb, as its help tells them.
struct OptionNames {
    private let verb: String
    /// With and without a value, `--model` and `-m` alike.
    private let names: Set<String>
    private let valued: Set<String>

    init(_ verb: any ParsableCommand.Type) {
        self.verb = verb._commandName
        var (names, valued): (Set<String>, Set<String>) = (["-h", "--help", "--version"], [])
        // An option's line begins with its names: `  -m, --model <model>  A folder ...`.
        for line in Bnb.helpMessage(for: verb, columns: 1000).split(separator: "\n") where line.hasPrefix("  -") {
            let words = line.split { $0 == "," || $0 == " " }
            let found = words.prefix { $0.hasPrefix("-") }
            names.formUnion(found.map(String.init))
            if words.dropFirst(found.count).first?.hasPrefix("<") == true { valued.formUnion(found.map(String.init)) }
        }
        (self.names, self.valued) = (names, valued)
    }

    func contains(_ name: String) -> Bool { names.contains(name) }

    /// The long name that is nearest to `name`; nil where none is near.
    func nearest(to name: String) -> String? { Suggestion.nearest(to: name, among: names.filter { $0.hasPrefix("--") }.sorted()) }

    /// The first option that the verb does not have, and what it may have meant.
    func unknown(in arguments: ArraySlice<String>) -> String? {
        let name = arguments.lazy.filter { $0.hasPrefix("--") }.map { String($0.prefix { $0 != "=" }) }.first { !names.contains($0) }
        guard let name else { return nil }
        return "\(verb) has no option '\(name)'" + (nearest(to: name).map { "; did you mean '\($0)'?" } ?? "")
    }

    /// The first word that belongs to no option, and the option it may be meant for.
    func stray(in arguments: ArraySlice<String>) -> String? {
        var rest = arguments
        while let word = rest.popFirst() {
            if valued.contains(word) {
                rest = rest.dropFirst()
            } else if !word.hasPrefix("-") {
                let option = ["--prompt", "--model", "--only"].first(where: valued.contains)
                let isGiven = arguments.contains { argument in argument.prefix { $0 != "=" } == option ?? "" }
                let meant = option.map { isGiven ? "; put words that belong together in quotes" : "; did you mean '\($0) \(word)'?" }
                return "\(verb) takes options only, not '\(word)'" + (meant ?? "")
            }
        }
        return nil
    }
}
