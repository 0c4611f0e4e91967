import BitsIO
import BitsSystem

/// A run's options in a file: an object with their names, dashes or underscores in them, Hugging Face's too. What is on the command line counts more.
enum RunFile {
    static let name = "run.json"

    /// `arguments` with the options of the file that `--config` names, or of the run that is to be gone on with, before its own.
    ///
    /// - Throws: ``BitsIO/ModelFileError`` for a file that holds no such object.
    static func expanded(_ arguments: [String]) throws -> [String] {
        guard arguments.first == "train" else { return arguments }
        var own = Array(arguments.dropFirst())
        var path = RunFile.value(of: "--config", in: own)
        if let place = own.firstIndex(of: "--config"), path != nil { own.removeSubrange(place...(place + 1)) }
        own.removeAll { $0.hasPrefix("--config=") }
        let output = ["--output", "-o", "--output-dir", "--output_dir"].lazy.compactMap { value(of: $0, in: own) }.first
        let resumes = own.contains { ["--resume", "--resume-from-checkpoint", "--resume_from_checkpoint"].contains($0) }
        // A run that was stopped before it wrote them down has its options on the command line.
        if path == nil, resumes, let output, FileSystem.kind(of: "\(output)/\(name)") == .file { path = "\(output)/\(name)" }
        guard let path else { return arguments }
        let fields = try ConfigurationFields(MappedFile(path: path))
        let given = Set(own.map { HuggingFaceNames.replaced(in: ["train", canonical($0)])[1].prefix { $0 != "=" } })
        var result: [String] = []
        for key in fields.object.keys {
            let option = canonical("--\(key)")
            let replaced = HuggingFaceNames.replaced(in: ["train", option])
            if replaced.count > 1, given.contains(replaced[1][...]) { continue }
            result += try words(option, fields.object[key] ?? .null, fields)
        }
        return ["train"] + result + own
    }

    /// `--max_length=5` as `--max-length=5`, and short names as long ones.
    private static func canonical(_ argument: String) -> String {
        let short = ["-m": "--model", "-d": "--data", "-o": "--output"]
        guard argument.hasPrefix("--") else { return short[argument] ?? argument }
        let name = argument.prefix { $0 != "=" }
        return String(name.map { $0 == "_" ? "-" : $0 }) + argument.dropFirst(name.count)
    }

    private static func value(of option: String, in arguments: [String]) -> String? {
        if let place = arguments.firstIndex(of: option), place + 1 < arguments.count { return arguments[place + 1] }
        return arguments.first { $0.hasPrefix("\(option)=") }.map { String($0.dropFirst(option.count + 1)) }
    }

    private static func words(_ option: String, _ value: JSONValue, _ fields: ConfigurationFields) throws(ModelFileError) -> [String] {
        switch value {
        case .null, .bool(false): return []
        case .bool(true): return [option]
        case .number(let number): return ["\(option)=\(number.text)"]
        case .string(let text): return ["\(option)=\(text)"]
        case .array(let elements):
            var result: [String] = []
            for element in elements { result += try words(option, element, fields) }
            return result
        case .object: throw fields.error("has an object as '\(option.dropFirst(2))'; a text, number, switch or list was expected")
        }
    }
}
