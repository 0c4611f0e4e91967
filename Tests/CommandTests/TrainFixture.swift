import Foundation

/// Short runs of `bnb train` on a recorded model of two layers, and what they leave.
struct TrainFixture {
    let model: TinyModel
    let scratch: Scratch

    /// Twelve examples that get longer, and four to measure the loss on.
    init() throws {
        (model, scratch) = (try TinyModel(), try Scratch())
        let lines = (0..<12).map {
            "{\"prompt\": \"Question \($0)?\", \"completion\": \"\(String(repeating: " answer \($0 % 3)", count: 1 + $0))\"}"
        }
        try scratch.write(lines.joined(separator: "\n"), as: "data.jsonl")
        try scratch.write(lines[..<4].joined(separator: "\n"), as: "eval.jsonl")
    }

    /// A run that came to its end.
    struct Run {
        let outcome: Outcome
        let folder: String

        func file(_ name: String) throws -> Data { try Data(contentsOf: URL(fileURLWithPath: "\(folder)/\(name)")) }

        /// What was used, as `--config` takes it.
        var settings: [String: Setting] { get throws { try JSONDecoder().decode([String: Setting].self, from: file("run.json")) } }
        /// What the adapter's file says of it.
        var adapter: [String: Any] {
            get throws { try JSONSerialization.jsonObject(with: file("adapter_config.json")) as? [String: Any] ?? [:] }
        }
        /// A field of the log's lines that have it.
        func log(_ key: String) throws -> [Double] {
            try String(decoding: file("log.jsonl"), as: UTF8.self).split(separator: "\n").compactMap {
                (try JSONSerialization.jsonObject(with: Data($0.utf8)) as? [String: Any])?[key] as? Double
            }
        }
    }

    /// - Parameter file: what `--config` is given; nil for none.
    func train(_ options: [String], config file: String? = nil, as name: String = "run") throws -> Run {
        var arguments = [
            "train", "--model", model.path, "--data", "\(scratch.path)/data.jsonl", "--output", "\(scratch.path)/\(name)", "--batch-size", "2",
        ]
        if let file {
            try scratch.write(file, as: "\(name).json")
            arguments += ["--config", "\(scratch.path)/\(name).json"]
        }
        return Run(outcome: try Command.run(arguments + options), folder: "\(scratch.path)/\(name)")
    }
}

/// A value of `run.json`.
enum Setting: Decodable, Equatable, ExpressibleByStringLiteral, ExpressibleByFloatLiteral, ExpressibleByBooleanLiteral, ExpressibleByArrayLiteral {
    case text(String)
    case number(Double)
    case flag(Bool)
    case list([String])

    init(stringLiteral value: String) { self = .text(value) }
    init(floatLiteral value: Double) { self = .number(value) }
    init(booleanLiteral value: Bool) { self = .flag(value) }
    init(arrayLiteral elements: String...) { self = .list(elements) }

    init(from decoder: any Decoder) throws {
        let value = try decoder.singleValueContainer()
        if let isOn = try? value.decode(Bool.self) {
            self = .flag(isOn)
        } else if let number = try? value.decode(Double.self) {
            self = .number(number)
        } else if let text = try? value.decode(String.self) {
            self = .text(text)
        } else {
            self = .list(try value.decode([String].self))
        }
    }
}
