import Foundation
import Testing
import _BitsTestSupport

/// The recorded BERT, with a head whose answers are known beforehand.
private struct TinyEncoder {
    let scratch: Scratch

    /// - Parameters:
    ///   - architecture: what config.json says that it is.
    ///   - head: names and values of float32 entries that are added to the checkpoint, each with its shape.
    init(_ architecture: String, head: [(name: String, shape: [Int], values: [Float])]) throws {
        scratch = try Scratch()
        let folder = "\(ParityCases.folder)/models/bert/model"
        for name in ["config.json", "tokenizer.json", "tokenizer_config.json"] {
            try scratch.write(try Data(contentsOf: URL(fileURLWithPath: "\(folder)/\(name)")), as: name)
        }
        var object = try JSONSerialization.jsonObject(with: try scratch.data("config.json")) as? [String: Any] ?? [:]
        object["architectures"] = [architecture]
        object["id2label"] = ["0": "down", "1": "up"]
        try scratch.write(try JSONSerialization.data(withJSONObject: object), as: "config.json")
        let data = try Data(contentsOf: URL(fileURLWithPath: "\(folder)/model.safetensors"))
        let length = data.prefix(8).enumerated().reduce(0) { $0 | Int($1.element) << (8 * $1.offset) }
        var header = try JSONSerialization.jsonObject(with: data[8..<8 + length]) as? [String: Any] ?? [:]
        var contents = Data(data[(8 + length)...])
        for (name, shape, values) in head {
            let start = contents.count
            for value in values { contents.append(contentsOf: (0..<4).map { UInt8(truncatingIfNeeded: value.bitPattern >> (8 * UInt32($0))) }) }
            header[name] = ["dtype": "F32", "shape": shape, "data_offsets": [start, contents.count]]
        }
        let text = try JSONSerialization.data(withJSONObject: header)
        try scratch.write(Data((0..<8).map { UInt8(truncatingIfNeeded: text.count >> (8 * $0)) }) + text + contents, as: "model.safetensors")
    }

    /// One that says "up" of everything, five times as likely as not in the exponent.
    static func optimist() throws -> TinyEncoder {
        try TinyEncoder(
            "BertForSequenceClassification",
            head: [("classifier.weight", [2, 64], [Float](repeating: 0, count: 128)), ("classifier.bias", [2], [0, 5])])
    }
}

@Suite struct EvaluateTaskTests {
    private func write(_ text: String, as name: String, in model: TinyEncoder) throws -> String {
        try model.scratch.write(Data(text.utf8), as: name)
        return "\(model.scratch.path)/\(name)"
    }

    @Test(
        "a classifier's accuracy is the share of the labels that it gives, in any form of file, quantized or not",
        arguments: [[], ["--load-in", "nf4"]])
    func sequences(options: [String]) throws {
        let model = try TinyEncoder.optimist()
        let lines = """
            {"text": "the quick fox", "label": 1}
            {"text": "jumps", "text_pair": "over the lazy dog", "label": "up"}
            {"text": "2024", "label": "down"}
            {"text": "\(String(repeating: "quantization ", count: 200))", "label": 1}
            """
        let data = try write(lines, as: "data.jsonl", in: model)
        let json = try Command.run(["evaluate", "--model", model.scratch.path, "--data", data, "--json"] + options).json
        #expect(json["accuracy"] as? Double == 0.75 && json["labels"] as? Int == 4 && json["correct"] as? Int == 3)
        let (right, wrong) = (log(1 + exp(-5.0)), log(1 + exp(5.0)))
        #expect(abs((json["nll"] as? Double ?? 0) - (3 * right + wrong) / 4) < 1e-5)
        let table = try write("text\tlabel\nthe fox\tup\nthe dog\tdown\n", as: "data.tsv", in: model)
        let outcome = try Command.run(["evaluate", "--model", model.scratch.path, "--task", "sequences", "--data", table] + options)
        #expect(outcome.output.hasPrefix("accuracy 0.5000 (1 of 2), nll "))
    }

    @Test("of tokens every word's first counts, as far as the model's context reaches")
    func tokens() throws {
        let model = try TinyEncoder(
            "BertForTokenClassification",
            head: [("classifier.weight", [2, 64], [Float](repeating: 0, count: 128)), ("classifier.bias", [2], [0, 5])])
        let words = [String](repeating: "quantization", count: 200)
        let lines = """
            {"tokens": ["the", "quantization", "fox", ""], "labels": [1, "up", 0, 1]}
            {"words": ["jumps", "over"], "ner_tags": [-100, "down"]}
            """
        let data = try write(lines, as: "data.jsonl", in: model)
        let json = try Command.run(["evaluate", "--model", model.scratch.path, "--data", data, "--json"]).json
        #expect(json["labels"] as? Int == 4 && json["correct"] as? Int == 2 && json["accuracy"] as? Double == 0.5)
        let long = try JSONSerialization.data(withJSONObject: ["tokens": words, "tags": words.map { _ in "up" }])
        try model.scratch.write(long, as: "long.jsonl")
        let path = "\(model.scratch.path)/long.jsonl"
        let cut = try Command.run(["evaluate", "--model", model.scratch.path, "--task", "tokens", "--data", path, "--json"]).json
        #expect(1..<127 ~= cut["labels"] as? Int ?? 0 && cut["accuracy"] as? Double == 1)
        for (line, reason) in [
            ("{\"tokens\": [\"a\"], \"labels\": [0, 1]}", "line 1: has 2 labels for 1 words"),
            ("{\"tokens\": [\"a\"]}", "line 1: has the fields tokens; 'tokens', a list of words"),
            ("{\"tokens\": [1], \"labels\": [0]}", "line 1: has the word 1; a string was expected"),
            ("{\"tokens\": [\"a\"], \"labels\": [\"left\"]}", "one of down, up was expected"), ("\n", "has no examples"),
        ] {
            let outcome = try Command.run(["evaluate", "--model", model.scratch.path, "--data", try write(line, as: "bad.jsonl", in: model)])
            #expect(outcome.status == 65 && outcome.errors.contains(reason), "\(outcome.errors)")
        }
    }

    @Test("a masked model that knows nothing is torn between all tokens of its vocabulary")
    func masked() throws {
        let zeros = { (count: Int) in [Float](repeating: 0, count: count) }
        let model = try TinyEncoder(
            "BertForMaskedLM",
            head: [
                ("cls.predictions.bias", [512], zeros(512)), ("cls.predictions.transform.dense.weight", [64, 64], zeros(4096)),
                ("cls.predictions.transform.dense.bias", [64], zeros(64)), ("cls.predictions.transform.LayerNorm.weight", [64], zeros(64)),
                ("cls.predictions.transform.LayerNorm.bias", [64], zeros(64)),
            ])
        let text = try write(String(repeating: "the quick brown fox jumps over the lazy dog. ", count: 40), as: "text.txt", in: model)
        let options = ["evaluate", "--model", model.scratch.path, "--text", text, "--window", "32", "--windows", "5", "--json"]
        let json = try Command.run(options).json
        #expect(abs((json["nll"] as? Double ?? 0) - log(512.0)) < 1e-5)
        #expect(json["windows"] as? Int == 5 && json["window"] as? Int == 32)
        let (few, many) = (json["tokens"] as? Int ?? 0, try Command.run(options + ["--mask-share", "0.9"]).json["tokens"] as? Int ?? 0)
        #expect(5...60 ~= few && 100...150 ~= many)
    }

    @Test("what does not fit the task is said in one line, with the code for wrong usage or bad data")
    func refused() throws {
        let model = try TinyEncoder.optimist()
        func problem(_ arguments: String...) throws -> (Int32, String) {
            let outcome = try Command.run(["evaluate", "--model", model.scratch.path] + arguments)
            return (outcome.status, outcome.errors)
        }
        let missing = try problem()
        #expect(missing.0 == 64 && missing.1.contains("--data is missing"))
        let bad = try problem("--data", try write("{\"text\": \"a\", \"label\": \"sideways\"}", as: "bad.jsonl", in: model))
        #expect(bad.0 == 65 && bad.1.contains("bad.jsonl, line 1: has the label \"sideways\"; a number from 0, or one of down, up was expected"))
        let far = try problem("--data", try write("{\"text\": \"a\", \"label\": 2}", as: "far.jsonl", in: model))
        #expect(far.0 == 65 && far.1.contains("label 2; the model has 2"))
        #expect(try problem("--task", "masked").1.contains("'cls.predictions.bias' [512] is missing"))
        #expect(try problem("--data", "x", "--task", "causal").0 == 64)
        #expect(try Command.run("evaluate", "--mask-share", "0").status == 64)
    }
}
