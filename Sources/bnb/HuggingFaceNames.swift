/// The names that Hugging Face's tools have for options, replaced by ours before they are parsed.
enum HuggingFaceNames {
    /// Where theirs differs by more than underscores.
    private static let ours: [String: [String]] = [
        "--model-name-or-path": ["--model"],
        "--adapter-name-or-path": ["--adapter"],
        "--output-dir": ["--output"],
        "--load-in-4bit": ["--load-in", "nf4"],
        "--load-in-8bit": ["--load-in", "int8"],
        "--bnb-4bit-quant-type": ["--load-in"],
        "--bnb-4bit-use-double-quant": ["--double-quantization"],
        "--use-bnb-nested-quant": ["--double-quantization"],
        "--bnb-4bit-compute-dtype": ["--compute"],
        "--torch-dtype": ["--compute"],
        "--llm-int8-skip-modules": ["--skip"],
        "--llm-int8-threshold": ["--outlier-threshold"],
    ]

    /// `--max_new_tokens=5` becomes `--max-new-tokens=5`; values stay as they are, and all that follows `--`.
    static func replaced(in arguments: [String]) -> [String] {
        var result: [String] = []
        for (index, argument) in arguments.enumerated() {
            if argument == "--" { return result + arguments[index...] }
            guard argument.hasPrefix("--") else {
                result.append(argument)
                continue
            }
            let end = argument.firstIndex(of: "=") ?? argument.endIndex
            let name = String(argument[..<end].map { $0 == "_" ? "-" : $0 })
            var replacement = ours[name] ?? [name]
            replacement[replacement.count - 1] += argument[end...]
            result += replacement
        }
        return result
    }
}
