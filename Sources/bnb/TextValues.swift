/// Values that look like options: numbers below 0, and text, which may be empty, too.
enum TextValues {
    private static let options: Set<String> = ["--prompt", "--stop", "--seed", "--sample", "--system"]

    /// `--lora-rank -3` becomes `--lora-rank=-3`, `--prompt "- milk"` `--prompt=- milk`, and `--prompt=` `--prompt ""`: so the parser takes each for what it is.
    static func kept(in arguments: [String]) -> [String] {
        var result: [String] = []
        var rest = arguments[...]
        while let word = rest.popFirst() {
            let argument = word == "-p" ? "--prompt" : word
            if argument == "--" { return result + [argument] + rest }
            let isNumbered = argument.hasPrefix("--") && !argument.contains("=")
            if let value = rest.first, value.hasPrefix("-"), options.contains(argument) || isNumbered && Double(value) != nil {
                result.append("\(argument)=\(value)")
                rest.removeFirst()
            } else if argument.hasSuffix("="), options.contains(String(argument.dropLast())) {
                result += [String(argument.dropLast()), ""]
            } else {
                result.append(argument)
            }
        }
        return result
    }
}
