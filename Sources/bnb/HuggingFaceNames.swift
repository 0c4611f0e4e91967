/// What was given under the names that Hugging Face's tools have for options, under ours: replaced before it is parsed.
struct HuggingFaceNames {
    /// What is to be parsed: `--max_new_tokens=5` is `--max-new-tokens=5`; values stay as they are, and all that follows `--`.
    private(set) var arguments: [String] = []
    /// What switches that are off take back where a file says it: `--recompute`, or `--load-in=4bit` for any format of 4 bits.
    private(set) var takenBack: Set<String> = []
    /// Names of theirs that ask for something of which nothing here depends.
    private(set) var passedOver: [String] = []

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
    ]

    /// Options that are on or off, there with `True` or `False` behind them or without.
    private static let switches = [
        "--load-in-4bit": ["\(format)=nf4"],
        "--load-in-8bit": ["\(format)=int8"],
        "--bnb-4bit-use-double-quant": ["--double-quantization"],
        "--use-bnb-nested-quant": ["--double-quantization"],
    ]

    /// Stands for what the verb calls the format: `--to` for `quantize`, `--load-in` for others.
    private static let format = "--format"

    /// Whether `name` is one of theirs that `train` understands.
    static func knows(_ name: String) -> Bool { Verb("train").knows(name) }

    /// What `train` calls an option of theirs.
    static func replaced(_ name: String) -> String { Verb("train").ours[name] ?? name }

    /// Whether `train` passes over an option of theirs.
    static func passesOver(_ name: String) -> Bool { TrainingNames.passedOver.contains(name) }

    /// `--max_length` as `--max-length`.
    static func hyphenated(_ name: some StringProtocol) -> String { String(name.map { $0 == "_" ? "-" : $0 }) }

    /// `--max-length` as `max_length`.
    static func underscored(_ option: String) -> String { String(option.dropFirst(2).map { $0 == "-" ? "_" : $0 }) }

    /// - Throws: ``Failure`` for what is not there and would change what comes out.
    init(_ arguments: [String]) throws(Failure) {
        let verb = Verb(arguments.first)
        let options = HuggingFaceNames.options(arguments.prefix { $0 != "--" }, verb)
        var values: [String: String] = [:]
        for option in options { values[option.name] = option.value ?? "" }
        for option in options { try add(option, verb, beside: values) }
        let formatName = arguments.first == "quantize" ? "--to" : "--load-in"
        let format = HuggingFaceNames.format
        self.arguments = self.arguments.map { $0 == format || $0.hasPrefix("\(format)=") ? formatName + $0.dropFirst(format.count) : $0 }
        self.arguments += arguments.dropFirst(arguments.prefix { $0 != "--" }.count)
    }

    /// An option under the name that it was given, or a word that is none.
    private struct Option {
        let name: String
        let value: String?
    }

    /// The names that a verb understands.
    private struct Verb {
        let ours: [String: String]
        let switches: [String: [String]]
        let trains: Bool

        init(_ name: String?) {
            trains = name == "train" || name == "estimate"
            ours = trains ? HuggingFaceNames.ours.merging(TrainingNames.ours) { $1 } : HuggingFaceNames.ours
            var switches = HuggingFaceNames.switches
            for flag in ["--double-quantization", "--quantize-embeddings"] + (trains ? TrainingNames.flags : []) { switches[flag] = [flag] }
            self.switches = trains ? switches.merging(TrainingNames.switches) { $1 } : switches
        }

        func knows(_ name: String) -> Bool {
            ours[name] != nil || switches[name] != nil || trains && (TrainingNames.passedOver.contains(name) || TrainingNames.absent[name] != nil)
        }

        /// Whether the word behind an option of theirs is its value.
        func takes(_ word: String, for name: String) -> Bool {
            if switches[name] != nil { return HuggingFaceNames.truth(word) != nil }
            return knows(name) && (!word.hasPrefix("-") || Double(word) != nil)
        }
    }

    private static func options(_ arguments: ArraySlice<String>, _ verb: Verb) -> [Option] {
        var (rest, options) = (arguments, [Option]())
        while let argument = rest.popFirst() {
            guard argument.hasPrefix("--") else {
                options.append(Option(name: argument, value: nil))
                continue
            }
            let parts = argument.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
            let name = hyphenated(parts[0])
            var value = parts.count > 1 ? String(parts[1]) : nil
            if value == nil, let next = rest.first, verb.takes(next, for: name) { value = rest.removeFirst() }
            options.append(Option(name: name, value: value))
            // Theirs take several values there, as in `--report_to tensorboard wandb`.
            while passesOver(name), verb.trains, let next = rest.first, !next.hasPrefix("-") { rest.removeFirst() }
        }
        return options
    }

    private mutating func add(_ option: Option, _ verb: Verb, beside values: [String: String]) throws(Failure) {
        let (name, value) = (option.name, option.value)
        if let words = verb.switches[name] {
            guard let isOn = value.map(HuggingFaceNames.truth) ?? true else {
                throw Failure(.usage, "\(name) is on or off, True or False; it is '\(value ?? "")'")
            }
            guard isOn else { return takeBack(name, words) }
            if HuggingFaceNames.isMeaningless(name, beside: values) { return }
            if name == "--load-in-4bit", values["--bnb-4bit-quant-type"] != nil { return }
            arguments += words
        } else if verb.trains, let reason = TrainingNames.absent[name] {
            guard HuggingFaceNames.isOff(value) else { throw Failure(.usage, "\(name) is not there: \(reason)") }
        } else if verb.trains, TrainingNames.passedOver.contains(name) {
            if !HuggingFaceNames.isOff(value) { passedOver.append(HuggingFaceNames.underscored(name)) }
        } else if HuggingFaceNames.isMeaningless(name, beside: values) {
            return
        } else if verb.trains, let value, let words = try TrainingNames.words(for: name, value, beside: values) {
            arguments += words
            if words.isEmpty, value != "steps", let back = TrainingNames.takenBack[name] { takenBack.insert(back) }
        } else {
            arguments.append((verb.ours[name] ?? name) + (value.map { "=\($0)" } ?? ""))
        }
    }

    private mutating func takeBack(_ name: String, _ words: [String]) {
        switch name {
        case "--load-in-4bit": takenBack.formUnion(["--load-in=4bit", "--double-quantization", "--block-size"])
        case "--load-in-8bit": takenBack.formUnion(["--load-in=8bit", "--outlier-threshold"])
        default: takenBack.formUnion(words.map { String($0.prefix { $0 != "=" }) })
        }
    }

    /// Whether a setting is of a format that is not asked for: their files hold all settings, whatever the format.
    private static func isMeaningless(_ name: String, beside values: [String: String]) -> Bool {
        func state(_ name: String) -> Bool? { values[name].map { truth($0) ?? true } }
        switch name {
        case "--bnb-4bit-quant-type", "--bnb-4bit-use-double-quant", "--use-bnb-nested-quant":
            return state("--load-in-4bit") == false || state("--load-in-8bit") == true && state("--load-in-4bit") != true
        case "--llm-int8-threshold": return state("--load-in-8bit") == false || state("--load-in-4bit") == true
        default: return false
        }
    }

    /// As Hugging Face's parser reads it.
    static func truth(_ value: String) -> Bool? {
        ["true": true, "yes": true, "t": true, "y": true, "1": true, "false": false, "no": false, "f": false, "n": false, "0": false][
            value.lowercased()]
    }

    /// Whether an option asks for nothing; one without a value is a switch that is on.
    private static func isOff(_ value: String?) -> Bool {
        value.map { truth($0) == false || Double($0) == 0 || ["", "none", "null"].contains($0.lowercased()) } ?? false
    }
}
