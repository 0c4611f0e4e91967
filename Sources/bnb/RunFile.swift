import BitsIO
import BitsQuant
import BitsSystem

/// A run's options in a file: an object with their names, dashes or underscores in them, Hugging Face's too. What is on the command line counts more.
struct RunFile {
    static let name = "run.json"

    let path: String
    /// `train` with the options of the file that the command line leaves standing, then those of the command line.
    let arguments: [String]
    /// Names of theirs that say nothing here.
    let passedOver: [String]
    /// Our names of the options that the file gives.
    private let options: Set<String>

    /// The file that `--config` names, or the one of the run that is to be gone on with; nil for none.
    ///
    /// - Throws: ``BitsIO/ModelFileError`` for a file that holds no such object, ``Failure`` for what is not there.
    init?(for given: HuggingFaceNames) throws {
        guard given.arguments.first == "train" else { return nil }
        var own = Array(given.arguments.dropFirst())
        var path: String?
        while let place = own.lastIndex(where: { $0 == "--config" || $0.hasPrefix("--config=") }) {
            let isPair = own[place] == "--config"
            // Without a value it is the parser's to say so.
            if isPair && place + 1 == own.count { return nil }
            path = path ?? (isPair ? own[place + 1] : String(own[place].dropFirst("--config=".count)))
            own.removeSubrange(place...(isPair ? place + 1 : place))
        }
        if path == "" { throw Failure(.usage, "--config is empty; name a file with options, such as a run's run.json") }
        let output = ["--output", "-o"].lazy.compactMap { RunFile.value(of: $0, in: own) }.first
        // A run that was stopped before it wrote them down has its options on the command line.
        if path == nil, own.contains("--resume"), let output, FileSystem.kind(of: "\(output)/\(RunFile.name)") == .file {
            path = "\(output)/\(RunFile.name)"
        }
        guard let path else { return nil }
        let fields = try ConfigurationFields(MappedFile(path: path))
        let words = try RunFile.words(fields)
        let meant: HuggingFaceNames
        do { meant = try HuggingFaceNames(["train"] + words) } catch { throw fields.error(error.message) }
        let said = Set(own.map(RunFile.option))
        let left = meant.arguments.dropFirst().filter { word in
            let option = RunFile.option(word)
            let others = RunFile.exclusive.filter { $0.contains(option) }.joined()
            return !said.contains(option) && said.isDisjoint(with: others) && !given.takenBack.contains(RunFile.place(word))
        }
        self.path = path
        arguments = ["train"] + left + own
        passedOver = meant.passedOver
        options = Set(left.map(RunFile.option))
    }

    /// Whether what is wrong with a command line is of this file.
    func isMeant(by problem: String) -> Bool { options.contains { problem.contains("\($0) ") || problem.contains("\($0)'") } }

    /// Options that say the same in two ways: one of the command line replaces the other of a file.
    private static let exclusive = [["--epochs", "--steps"], ["--load-in", "--plan"], ["--packing", "--padding"]]

    /// Options that take a list.
    private static let lists: Set = [
        "--data", "--eval-data", "--skip", "--target-modules", "--exclude-modules", "--modules-to-save", "--train-only", "--layers-to-transform",
        "--layers-pattern", "--rank-pattern", "--alpha-pattern", "--sample",
    ]

    /// Options that take values under names.
    private static let patterns: Set = ["--rank-pattern", "--alpha-pattern"]

    /// Our name of the option that a word gives.
    private static func option(_ word: String) -> String {
        let name = String(word.prefix { $0 != "=" })
        return ["-m": "--model", "-d": "--data", "-o": "--output", "-t": "--threads"][name] ?? name
    }

    /// What a switch that is off takes back: the option, or of a format which bits it has.
    private static func place(_ word: String) -> String {
        let option = option(word)
        guard option == "--load-in" else { return option }
        let isInt8 = Quantization(argument: String(word.dropFirst(option.count + 1)))?.formatName == "int8"
        return "\(option)=\(isInt8 ? 8 : 4)bit"
    }

    private static func value(of option: String, in arguments: [String]) -> String? {
        if let place = arguments.lastIndex(of: option), place + 1 < arguments.count { return arguments[place + 1] }
        return arguments.last { $0.hasPrefix("\(option)=") }.map { String($0.dropFirst(option.count + 1)) }
    }

    private static func words(_ fields: ConfigurationFields) throws(ModelFileError) -> [String] {
        let known = OptionNames(Train.self)
        var words: [String] = []
        for key in fields.object.keys where fields.contains(key) {
            let option = "--\(HuggingFaceNames.hyphenated(key))"
            guard option != "--config", HuggingFaceNames.knows(option) || known.contains(option) else {
                let meant = known.nearest(to: option).map { "; did you mean '\(HuggingFaceNames.underscored($0))'?" } ?? ""
                throw fields.error("has '\(key)', and train has no such option\(meant)")
            }
            let value = fields.object[key] ?? .null
            // What is passed over may be of any kind.
            if HuggingFaceNames.passesOver(option) {
                words.append("\(option)=\(RunFile.text(value) ?? (RunFile.isEmpty(value) ? "" : value.compactText))")
            } else {
                words += try RunFile.words(option, key, value, fields)
            }
        }
        return words
    }

    private static func words(
        _ option: String, _ key: String, _ value: JSONValue, _ fields: ConfigurationFields
    ) throws(ModelFileError) -> [String] {
        if let text = text(value) { return value == .bool(false) && !HuggingFaceNames.knows(option) ? [] : ["\(option)=\(text)"] }
        let name = HuggingFaceNames.replaced(option)
        switch value {
        case .array(let elements):
            guard elements.count < 2 || lists.contains(name) else { throw fields.error("has a list as '\(key)'; one value was expected") }
            return try elements.map { element throws(ModelFileError) in
                guard let text = text(element) else {
                    throw fields.error("has a list with \(element.compactText.prefix(40)) as '\(key)'; texts or numbers were expected")
                }
                return "\(option)=\(text)"
            }
        case .object(let object):
            guard object.keys.isEmpty || patterns.contains(name) else {
                throw fields.error("has an object as '\(key)'; a text, number, switch or list was expected")
            }
            return object.keys.map { "\(option)=\($0)=\(text(object[$0] ?? .null) ?? "")" }
        default: return []
        }
    }

    /// A value as the command line has it; nil for what is no single value.
    private static func text(_ value: JSONValue) -> String? {
        switch value {
        case .bool(let isOn): isOn ? "True" : "False"
        case .number(let number): number.text
        case .string(let text): text
        default: nil
        }
    }

    private static func isEmpty(_ value: JSONValue) -> Bool {
        switch value {
        case .array(let elements): elements.isEmpty
        case .object(let object): object.keys.isEmpty
        default: false
        }
    }
}
