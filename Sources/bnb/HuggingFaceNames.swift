/// The names that Hugging Face's tools have for options, replaced by ours before they are parsed.
enum HuggingFaceNames {
    /// Options with a value, where theirs differs by more than underscores.
    private static let ours = [
        "--model-name-or-path": "--model",
        "--adapter-name-or-path": "--adapter",
        "--output-dir": "--output",
        "--stop-strings": "--stop",
        "--bnb-4bit-quant-type": format,
        "--bnb-4bit-compute-dtype": "--compute",
        "--torch-dtype": "--compute",
        "--llm-int8-skip-modules": "--skip",
        "--llm-int8-threshold": "--outlier-threshold",
        "--train-file": "--data",
        "--validation-file": "--eval-data",
        "--per-device-train-batch-size": "--batch-size",
        "--per-device-eval-batch-size": "--eval-batch-size",
        "--gradient-accumulation-steps": "--accumulate",
        "--num-train-epochs": "--epochs",
        "--max-steps": "--steps",
        "--max-seq-length": "--max-length",
        "--lr-scheduler-type": "--schedule",
        "--warmup-ratio": "--warmup-steps",
        "--optim": "--optimizer",
        "--eval-steps": "--eval-every",
        "--save-steps": "--save-every",
        "--save-total-limit": "--keep",
        "--logging-steps": "--log-every",
        "--early-stopping-patience": "--patience",
        "--lora-r": "--lora-rank",
        "--lora-target-modules": "--target-modules",
        "--lora-modules-to-save": "--modules-to-save",
        "--init-lora-weights": "--lora-start",
    ]

    /// Options that are on or off, there with `True` or `False` behind them or without.
    private static let switches = [
        "--load-in-4bit": [format, "nf4"],
        "--load-in-8bit": [format, "int8"],
        "--bnb-4bit-use-double-quant": ["--double-quantization"],
        "--use-bnb-nested-quant": ["--double-quantization"],
        "--gradient-checkpointing": ["--recompute"],
        "--activation-offloading": ["--offload-block-inputs"],
        "--load-best-model-at-end": ["--keep-best"],
        "--resume-from-checkpoint": ["--resume"],
    ]

    /// Stands for what the verb calls the format: `--to` for `quantize`, `--load-in` for others.
    private static let format = "--format"

    /// `--max_new_tokens=5` becomes `--max-new-tokens=5`; values stay as they are, and all that follows `--`.
    ///
    /// `--load-in-4bit` asks for nf4, unless `--bnb-4bit-quant-type` stands anywhere and says which.
    static func replaced(in arguments: [String]) -> [String] {
        let formatName = arguments.first == "quantize" ? "--to" : "--load-in"
        var rest = arguments.prefix { $0 != "--" }
        let namesFormat = rest.contains { named($0).name == "--bnb-4bit-quant-type" }
        var result: [String] = []
        while let argument = rest.popFirst() {
            guard argument.hasPrefix("--") else {
                result.append(argument)
                continue
            }
            let (name, value) = named(argument)
            if let replacement = switches[name] {
                let isOn = truth(value) ?? rest.first.flatMap { truth($0[...]) }
                if value == nil, isOn != nil { rest.removeFirst() }
                if isOn != false, name != "--load-in-4bit" || !namesFormat { result += replacement }
            } else {
                result.append((ours[name] ?? name) + (value.map { "=\($0)" } ?? ""))
            }
        }
        return result.map { $0 == format || $0.hasPrefix("\(format)=") ? formatName + $0.dropFirst(format.count) : $0 }
            + arguments.dropFirst(arguments.prefix { $0 != "--" }.count)
    }

    private static func named(_ argument: String) -> (name: String, value: Substring?) {
        let parts = argument.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
        return (String(parts[0].map { $0 == "_" ? "-" : $0 }), parts.count > 1 ? parts[1] : nil)
    }

    private static func truth(_ value: Substring?) -> Bool? { value.flatMap { ["true": true, "false": false][$0.lowercased()] } }
}
