/// Values that are text: any text, also one that looks like an option or is empty.
enum TextValues {
    private static let options: Set<String> = ["--prompt", "--stop", "--seed", "--sample", "--system"]

    /// `--prompt "- milk"` becomes `--prompt=- milk`, and `--prompt=` becomes `--prompt ""`: so the parser takes each for what it is.
    static func kept(in arguments: [String]) -> [String] {
        var result: [String] = []
        var rest = arguments[...]
        while let word = rest.popFirst() {
            let argument = word == "-p" ? "--prompt" : word
            if argument == "--" { return result + [argument] + rest }
            if options.contains(argument), let value = rest.first, value.hasPrefix("-") {
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
