import Foundation
import Testing
import _BitsTestSupport

@Suite struct QuantizeTests {
    @Test("a quantized checkpoint is the one that transformers and bitsandbytes write")
    func sameAsRecorded() throws {
        let model = try TinyModel()
        let scratch = try Scratch()
        let outcome = try Command.run(
            "quantize", "--model", model.path, "--to", "nf4", "--double-quantization", "--output", "\(scratch.path)/model")
        #expect(outcome.status == 0 && outcome.errors.isEmpty)
        #expect(outcome.output.contains("14 linear layers quantized, 1 kept"))
        #expect(outcome.output.contains("kept lm_head: output heads stay as they are"))
        let recorded = "\(ParityCases.folder)/models/llama/cuda/model-nf4"
        let (ours, theirs) = (try weights("\(scratch.path)/model/model.safetensors"), try weights("\(recorded)/model.safetensors"))
        // Sums of scales differ in their last bits, so the text of an offset may have another length; names, order, types and shapes agree.
        let layout = { (header: String) in
            header.replacing(/\"data_offsets\":\[\d+,\d+\]/, with: "").replacing(/\"shape\":\[1\d\d\],/, with: "").trimmingCharacters(
                in: .whitespaces)
        }
        #expect(layout(ours.header) == layout(theirs.header))
        for (name, bytes) in theirs.entries where !name.contains("quant_state") && !name.contains("absmax") {
            #expect(ours.entries[name] == bytes, "\(name)")
        }
        for (name, bytes) in theirs.entries where name.contains("quant_state") {
            var states = try [bytes, try #require(ours.entries[name])].map { try JSONSerialization.jsonObject(with: $0) as? [String: Any] ?? [:] }
            let offsets = states.map { $0["nested_offset"] as? Double ?? .nan }
            #expect(abs(offsets[0] - offsets[1]) <= 1e-6 * abs(offsets[0]))
            for index in 0...1 { states[index]["nested_offset"] = nil }
            #expect(NSDictionary(dictionary: states[0]) == NSDictionary(dictionary: states[1]))
        }
    }

    @Test("a checkpoint in 8 bits is the one that transformers and bitsandbytes write, but for few codes that are one apart")
    func sameAsRecordedInt8() throws {
        let (model, scratch) = (try TinyModel(), try Scratch())
        let outcome = try Command.run("quantize", "--model", model.path, "--to", "int8", "--output", "\(scratch.path)/model")
        #expect(outcome.status == 0 && outcome.errors.isEmpty)
        #expect(outcome.output.contains("14 linear layers quantized, 1 kept"))
        let recorded = "\(ParityCases.folder)/models/llama/cuda/model-int8"
        let (ours, theirs) = (try weights("\(scratch.path)/model/model.safetensors"), try weights("\(recorded)/model.safetensors"))
        #expect(ours.header == theirs.header)
        var (differing, count) = (0, 0)
        for (name, bytes) in theirs.entries where bytes != ours.entries[name] {
            #expect(name.hasSuffix("proj.weight"), "\(name)")
            for (a, b) in zip(bytes, try #require(ours.entries[name])) where a != b {
                differing += 1
                #expect(abs(Int(Int8(bitPattern: a)) - Int(Int8(bitPattern: b))) == 1, "\(name)")
            }
        }
        for (name, bytes) in theirs.entries where name.hasSuffix("proj.weight") { count += bytes.count }
        #expect(differing <= count / 10_000)
        let lines = { (text: String) in text.split(separator: "\n").filter { !$0.contains("transformers_version") } }
        let configuration = try String(contentsOfFile: "\(recorded)/config.json", encoding: .utf8)
        #expect(lines(String(decoding: try scratch.data("model/config.json"), as: UTF8.self)) == lines(configuration))
    }

    @Test("less coverage than is asked for fails, with what was left, before anything is written")
    func coverage() throws {
        let (model, quantized, scratch) = (try TinyModel(), try TinyModel(quantized: true), try Scratch())
        let arguments = [
            "quantize", "--model", model.path, "--to", "nf4", "--output", "\(scratch.path)/m", "--skip", "down_proj", "--require-coverage",
        ]
        let outcome = try Command.run(arguments + ["0.9"])
        #expect(outcome.status == 65 && outcome.output.isEmpty)
        #expect(outcome.errors.contains("less than --require-coverage 0.9; left: model.layers.*.mlp.down_proj, 2 times"))
        #expect(try FileManager.default.contentsOfDirectory(atPath: scratch.path).isEmpty)
        let enough = try Command.run(arguments + ["0.7"])
        #expect(
            enough.status == 0
                && enough.output.contains("of the weights of linear layers, heads aside, are quantized; left: model.layers.*.mlp.down_proj"))
        let whole = try Command.run("inspect", "--model", quantized.path)
        #expect(whole.output.contains("linear layers: 14 of 15 quantized, 100.0 % of their weights, heads aside"))
        let loaded = ["generate", "--model", model.path, "--prompt", "a", "--max-new-tokens", "1", "--require-coverage", "0.9"]
        #expect(try Command.run(loaded).status == 65)
        #expect(try Command.run(loaded + ["--load-in", "int8"]).status == 0)
        #expect(try Command.run(loaded + ["--load-in", "int8", "--skip", "down_proj"]).status == 65)
        #expect(try Command.run("quantize", "--model", model.path, "--to", "nf4", "--output", "x", "--require-coverage", "1.5").status == 64)
    }

    @Test("formats go by the names of other tools too", arguments: [("bnb.nf4-dq", "nf4", true), ("BNB.FP4", "fp4", false), ("NF4", "nf4", false)])
    func names(name: String, format: String, doubleQuantization: Bool) throws {
        let (model, scratch) = (try TinyModel(), try Scratch())
        #expect(try Command.run("quantize", "--model", model.path, "--to", name, "--output", "\(scratch.path)/m").status == 0)
        let text = String(decoding: try scratch.data("m/config.json"), as: UTF8.self)
        #expect(text.contains("\"bnb_4bit_quant_type\": \"\(format)\"") && text.contains("\"bnb_4bit_use_double_quant\": \(doubleQuantization)"))
    }

    @Test("config.json is the recorded one but for the version that wrote it")
    func configuration() throws {
        let model = try TinyModel()
        let scratch = try Scratch()
        #expect(
            try Command.run("quantize", "--model", model.path, "--to", "nf4", "--double-quantization", "--output", "\(scratch.path)/m")
                .status == 0)
        let lines = { (text: String) in text.split(separator: "\n").filter { !$0.contains("transformers_version") } }
        let recorded = try String(contentsOfFile: "\(ParityCases.folder)/models/llama/cuda/model-nf4/config.json", encoding: .utf8)
        #expect(lines(String(decoding: try scratch.data("m/config.json"), as: UTF8.self)) == lines(recorded))
        let copied = try FileManager.default.contentsOfDirectory(atPath: "\(scratch.path)/m").sorted()
        #expect(copied == ["config.json", "generation_config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json"])
    }

    @Test("a tied head is not written, and the built-in model quantizes")
    func tiedHead() throws {
        let scratch = try Scratch()
        let result = try Command.run("quantize", "--to", "fp4", "--block-size", "128", "--output", "\(scratch.path)/m", "--json").json
        #expect((result["quantized"] as? [String])?.count == 42)
        #expect((result["kept"] as? [[String: String]])?.first?["reason"] == "shares its weight with the embedding")
        let entries = try weights("\(scratch.path)/m/model.safetensors").entries
        #expect(entries["lm_head.weight"] == nil && entries["model.embed_tokens.weight"] != nil)
        #expect(try Command.run("inspect", "--model", "\(scratch.path)/m").output.contains(".gate_proj: fp4 [704, 256] of bfloat16, blocks of 128"))
    }

    @Test("a skip list replaces the default")
    func skips() throws {
        let model = try TinyModel()
        let scratch = try Scratch()
        let outcome = try Command.run(
            "quantize", "--model", model.path, "--to", "nf4", "--skip", "down_proj", "--output", "\(scratch.path)/m", "--json")
        let kept = try #require(outcome.json["kept"] as? [[String: String]]).compactMap { $0["path"] }
        #expect(kept == ["model.layers.0.mlp.down_proj", "model.layers.1.mlp.down_proj"])
        #expect(String(decoding: try scratch.data("m/config.json"), as: UTF8.self).contains(#""down_proj""#))
    }

    @Test(
        "an entry of a skip list that matches nothing is refused, as it would quantize the head that it was to protect",
        arguments: [
            (["quantize", "--to", "nf4", "--output"], "lm_haed", "did you mean 'lm_head'?"),
            (["generate", "--prompt", "a", "--load-in", "nf4", "--adapter"], "", "there are: "),
            (["evaluate", "--load-in", "int8", "--logits"], "model.layers.7", "there are: "),
        ])
    func misspeltSkips(arguments: [String], entry: String, answer: String) throws {
        let (model, scratch) = (try TinyModel(), try Scratch())
        let outcome = try Command.run(arguments + ["\(scratch.path)/x", "--model", model.path, "--skip", "down_proj", "--skip", entry])
        #expect(outcome.status == 64 && outcome.output.isEmpty)
        #expect(outcome.errors.hasPrefix("bnb: --skip '\(entry)' matches no layer; \(answer)") && outcome.errors.contains("q_proj"))
        #expect(try scratch.names == [])
    }

    @Test("NaN weights are quantized and reported")
    func nonFinite() throws {
        let model = try TinyModel()
        try model.changeBytes(of: "model.layers.0.mlp.up_proj.weight") { $0.replaceSubrange(0..<4, with: [0, 0, 0xc0, 0x7f]) }
        let scratch = try Scratch()
        let outcome = try Command.run("quantize", "--model", model.path, "--to", "nf4", "--output", "\(scratch.path)/m")
        #expect(outcome.status == 0)
        #expect(outcome.errors.contains("model.layers.0.mlp.up_proj: 1 weights are NaN or infinite"))
    }

    @Test("weights too large for a format are refused with the layer, which can be skipped", arguments: ["nf4", "nf4-dq", "int8"])
    func infinite(format: String) throws {
        let model = try TinyModel()
        try model.changeBytes(of: "model.layers.0.mlp.up_proj.weight") { $0.replaceSubrange(0..<4, with: [0, 0, 0x80, 0x7f]) }
        let scratch = try Scratch()
        let arguments = ["quantize", "--model", model.path, "--to", format, "--output", "\(scratch.path)/m"]
        let outcome = try Command.run(arguments)
        #expect(outcome.status == 65 && outcome.errors.contains("'model.layers.0.mlp.up_proj.weight' holds numbers too large for"))
        #expect(try scratch.names == [])
        #expect(try Command.run(arguments + ["--skip", "up_proj", "--skip", "lm_head"]).status == 0)
    }

    @Test("large checkpoints are spread over files with an index")
    func shards() throws {
        let model = try TinyModel()
        let scratch = try Scratch()
        let (one, many) = ("\(scratch.path)/one", "\(scratch.path)/many")
        let arguments = ["quantize", "--model", model.path, "--to", "nf4", "--output"]
        #expect(try Command.run(arguments + [one]).status == 0)
        #expect(try Command.run(arguments + [many, "--max-shard-size", "150kB"]).status == 0)
        let names = try FileManager.default.contentsOfDirectory(atPath: many).filter { $0.hasSuffix(".safetensors") }
        #expect(names.count >= 2 && FileManager.default.fileExists(atPath: "\(many)/model.safetensors.index.json"))
        let whole = try weights("\(one)/model.safetensors").entries
        let parts = try names.map { try weights("\(many)/\($0)").entries }.reduce(into: [:]) { $0.merge($1) { first, _ in first } }
        #expect(parts == whole)
        let index = try JSONSerialization.jsonObject(with: Data(contentsOf: URL(fileURLWithPath: "\(many)/model.safetensors.index.json")))
        let map = try #require((index as? [String: Any])?["weight_map"] as? [String: String])
        #expect(Set(map.keys) == Set(whole.keys).subtracting(["__metadata__"]))
        for (name, file) in map { #expect(try weights("\(many)/\(file)").entries[name] != nil) }
        let evaluation = ["evaluate", "--windows", "1", "--window", "16", "--json", "--model"]
        #expect(try Command.run(evaluation + [many]).json["nll"] as? Double == Command.run(evaluation + [one]).json["nll"] as? Double)
    }

    @Test("embeddings and the head are quantized on request, in a checkpoint as on loading")
    func embeddingsAndHead() throws {
        let (model, scratch) = (try TinyModel(), try Scratch())
        let forms = ["--quantize-embeddings", "--head", "int8"]
        let outcome = try Command.run(["quantize", "--model", model.path, "--to", "nf4-dq", "--output", "\(scratch.path)/m"] + forms)
        #expect(outcome.status == 0 && outcome.errors.isEmpty)
        #expect(outcome.output.contains("15 linear layers and 1 embedding quantized, 0 kept"))
        let entries = try weights("\(scratch.path)/m/model.safetensors").entries
        #expect(entries["model.embed_tokens.weight.nested_absmax"] != nil && entries["lm_head.SCB"] != nil)
        let inspection = try Command.run("inspect", "--model", "\(scratch.path)/m").output
        #expect(inspection.contains("linear layers: 15 of 15 quantized") && inspection.contains("embeddings: 1 quantized"))
        let evaluation = ["evaluate", "--windows", "1", "--window", "16", "--json", "--model"]
        let stored = try Command.run(evaluation + ["\(scratch.path)/m"])
        let loaded = try Command.run(evaluation + [model.path, "--load-in", "nf4-dq"] + forms)
        #expect(stored.errors.isEmpty && loaded.errors.isEmpty)
        #expect(try stored.json["nll"] as? Double == loaded.json["nll"] as? Double)
        #expect(try stored.json["weight_bytes"] as? Int == loaded.json["weight_bytes"] as? Int)
        let plain = try Command.run(evaluation + [model.path, "--load-in", "nf4-dq"])
        #expect(try plain.json["weight_bytes"] as? Int ?? 0 > loaded.json["weight_bytes"] as? Int ?? .max)
        #expect(try plain.json["nll"] as? Double != loaded.json["nll"] as? Double)
    }

    @Test("a head that is in the layers' format is one that readers are told of")
    func sameHead() throws {
        let (model, scratch) = (try TinyModel(), try Scratch())
        #expect(try Command.run("quantize", "--model", model.path, "--to", "int8", "--head", "int8", "--output", "\(scratch.path)/m").status == 0)
        #expect(String(decoding: try scratch.data("m/config.json"), as: UTF8.self).contains("\"llm_int8_skip_modules\": []"))
    }

    @Test("the built-in model's table is quantized with its head, which shares it")
    func tiedEmbedding() throws {
        let scratch = try Scratch()
        let arguments = ["quantize", "--to", "nf4-dq", "--json", "--output"]
        let plain = try Command.run(arguments + ["\(scratch.path)/a"]).json
        let result = try Command.run(arguments + ["\(scratch.path)/b", "--quantize-embeddings"]).json
        #expect((result["quantized"] as? [String])?.count == 43 && (result["kept"] as? [Any])?.isEmpty == true)
        #expect(try #require(result["bytes"] as? Int) * 10 < 7 * (try #require(plain["bytes"] as? Int)))
        let head = try Command.run(arguments + ["\(scratch.path)/c", "--head", "nf4-dq"]).json
        #expect(head["bytes"] as? Int == result["bytes"] as? Int)
        let nll = try Command.run("evaluate", "--windows", "4", "--json", "--model", "\(scratch.path)/b").json["nll"] as? Double
        #expect(try (2.4...2.9).contains(#require(nll)))
    }
}
