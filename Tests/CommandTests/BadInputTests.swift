import Foundation
import Testing

/// Every way in which a model's files can be wrong: one message that says what is expected, the right exit code, nothing written.
@Suite struct BadInputTests {
    struct Damage: Sendable, CustomTestStringConvertible {
        let name: String
        /// Words of the message.
        let reason: String
        var code: Int32 = 65
        var form = TinyModel.Form.plain
        let apply: @Sendable (TinyModel) throws -> Void

        var testDescription: String { name }
    }

    static let query = "model.layers.0.self_attn.q_proj.weight"

    static let weights: [Damage] = [
        Damage(name: "weights that are empty", reason: "cut short") { try $0.scratch.write("", as: "model.safetensors") },
        Damage(name: "weights cut in the header", reason: "cut short") {
            try $0.scratch.write(try $0.scratch.data("model.safetensors").prefix(100), as: "model.safetensors")
        },
        Damage(name: "weights cut at the end", reason: "model.safetensors") {
            try $0.scratch.write(try $0.scratch.data("model.safetensors").dropLast(10), as: "model.safetensors")
        },
        Damage(name: "an empty header", reason: "empty header") { try $0.write(header: "", contents: Data()) },
        Damage(name: "an oversized header", reason: "at most 100000000 is allowed") {
            try $0.scratch.write(Data([0, 0, 0, 0, 0, 1, 0, 0]) + Data(count: 64), as: "model.safetensors")
        },
        Damage(name: "a header that is not JSON", reason: "header") { try $0.write(header: "{hello}", contents: Data()) },
        Damage(name: "overlapping offsets", reason: "model.safetensors") { model in
            try model.changeHeader { entries in
                let offsets = entries[query]?["data_offsets"]
                entries["model.layers.0.self_attn.o_proj.weight"]?["data_offsets"] = offsets
            }
        },
        Damage(name: "reversed offsets", reason: query) { model in
            try model.changeHeader { $0[query]?["data_offsets"] = [500, 400] }
        },
        Damage(name: "offsets beyond the file", reason: "model.safetensors") { model in
            try model.changeHeader { $0[query]?["data_offsets"] = [1 << 40, 1 << 40 + 16384] }
        },
        Damage(name: "a shape that does not fit its bytes", reason: query) { model in
            try model.changeHeader { $0[query]?["shape"] = [64, 65] }
        },
        Damage(name: "a type that is unknown", reason: "F99") { model in try model.changeHeader { $0[query]?["dtype"] = "F99" } },
        Damage(name: "a name that occurs twice", reason: "twice") { model in
            let (header, contents) = try model.weights()
            let text = String(decoding: try JSONSerialization.data(withJSONObject: header), as: UTF8.self)
            let entry = #""model.norm.weight":{"dtype":"F32","shape":[0],"data_offsets":[0,0]}"#
            try model.write(header: "{\(entry),\(text.dropFirst())", contents: contents)
        },
        Damage(name: "no weights", reason: "has no model.safetensors", code: 74) {
            try FileManager.default.removeItem(atPath: "\($0.path)/model.safetensors")
        },
        Damage(name: "a missing shard", reason: "model-00002-of-00002.safetensors") { model in
            try FileManager.default.moveItem(atPath: "\(model.path)/model.safetensors", toPath: "\(model.path)/model-00001-of-00002.safetensors")
            try model.scratch.write(
                #"{"weight_map": {"model.norm.weight": "model-00001-of-00002.safetensors", "a": "model-00002-of-00002.safetensors"}}"#,
                as: "model.safetensors.index.json")
        },
        Damage(name: "an index that points outside the folder", reason: "only a file in the same folder is read") { model in
            try FileManager.default.removeItem(atPath: "\(model.path)/model.safetensors")
            try model.scratch.write(#"{"weight_map": {"model.norm.weight": "../model.safetensors"}}"#, as: "model.safetensors.index.json")
        },
        Damage(name: "tensors that are missing, all named", reason: "'model.norm.weight' [64] is missing") { model in
            try model.changeHeader { entries in
                entries["other"] = entries["model.norm.weight"]
                entries["model.norm.weight"] = nil
                entries["another"] = entries[query]
                entries[query] = nil
            }
        },
        Damage(name: "a tensor of the wrong shape", reason: "[32, 128], not floating point [64, 64]") { model in
            try model.changeHeader { $0[query]?["shape"] = [32, 128] }
        },
    ]

    static let configurations: [Damage] = [
        Damage(name: "no config.json", reason: "has no config.json", code: 74) {
            try FileManager.default.removeItem(atPath: "\($0.path)/config.json")
        },
        Damage(name: "a config.json cut short", reason: "line") {
            try $0.scratch.write(try $0.scratch.data("config.json").prefix(60), as: "config.json")
        },
        Damage(name: "a config.json without hidden_size", reason: "hidden_size") { try $0.change("config.json") { $0["hidden_size"] = nil } },
        Damage(name: "a config.json without model_type", reason: "model_type") { try $0.change("config.json") { $0["model_type"] = nil } },
        Damage(name: "an unknown model_type", reason: "mamba") { try $0.change("config.json") { $0["model_type"] = "mamba" } },
        Damage(name: "heads that do not divide the width", reason: "num_attention_heads 5 does not divide") {
            try $0.change("config.json") {
                $0["num_attention_heads"] = 5
                $0["head_dim"] = nil
            }
        },
        Damage(name: "a generation_config.json that is a circle of links", reason: "generation_config.json: cannot be read", code: 74) { model in
            let path = "\(model.path)/generation_config.json"
            try FileManager.default.removeItem(atPath: path)
            try FileManager.default.createSymbolicLink(atPath: path, withDestinationPath: path)
        },
        Damage(name: "a field of another type", reason: "num_hidden_layers") { try $0.change("config.json") { $0["num_hidden_layers"] = "two" } },
    ]

    static let quantized: [Damage] = [
        Damage(name: "a quant_state that is not JSON", reason: "quant_state cannot be read", form: .nf4) { model in
            try model.changeBytes(of: "\(query).quant_state.bitsandbytes__nf4") { $0[0] = UInt8(ascii: "x") }
        },
        Damage(name: "block size 0", reason: "block size 0 is not supported", form: .nf4) { model in
            try model.changeBytes(of: "\(query).quant_state.bitsandbytes__nf4") { bytes in
                let text = String(decoding: bytes, as: UTF8.self).replacingOccurrences(of: "\"blocksize\": 64", with: "\"blocksize\":  0")
                bytes = Data(text.utf8)
            }
        },
        Damage(name: "a wrong count of scales", reason: "absmax of the quantized tensor should be uint8 [64]", form: .nf4) { model in
            try model.changeHeader { entries in
                let name = "\(query).absmax"
                guard let offsets = entries[name]?["data_offsets"] as? [Int] else { return }
                entries[name] = ["dtype": "U8", "shape": [60], "data_offsets": [offsets[0], offsets[0] + 60]]
                entries["rest"] = ["dtype": "U8", "shape": [4], "data_offsets": [offsets[0] + 60, offsets[1]]]
            }
        },
        Damage(name: "scales that are missing", reason: "absmax of the quantized tensor should be there, not missing", form: .nf4) { model in
            try model.changeHeader { entries in
                entries["rest"] = entries["\(query).absmax"]
                entries["\(query).absmax"] = nil
            }
        },
    ]

    static let int8: [Damage] = [
        Damage(name: "row scales that are missing", reason: "SCB of the quantized tensor should be there, not missing", form: .int8) { model in
            try model.changeHeader { entries in
                entries["rest"] = entries["\(layer).SCB"]
                entries["\(layer).SCB"] = nil
            }
        },
        Damage(name: "too few row scales", reason: "SCB of the quantized tensor should be float32 [64], not float32 [60]", form: .int8) { model in
            try model.changeHeader { entries in
                guard let offsets = entries["\(layer).SCB"]?["data_offsets"] as? [Int] else { return }
                entries["\(layer).SCB"] = ["dtype": "F32", "shape": [60], "data_offsets": [offsets[0], offsets[0] + 240]]
                entries["rest"] = ["dtype": "F32", "shape": [4], "data_offsets": [offsets[0] + 240, offsets[1]]]
            }
        },
        Damage(name: "row scales of another type", reason: "should be float32 [64], not int32 [64]", form: .int8) { model in
            try model.changeHeader { $0["\(layer).SCB"]?["dtype"] = "I32" }
        },
        Damage(name: "codes of another type", reason: "should be int8, not a plain U8 [64, 64] beside quantized entries", form: .int8) { model in
            try model.changeHeader { $0["\(query)"]?["dtype"] = "U8" }
        },
        Damage(name: "an older layout", reason: "weight_format of the quantized tensor should be 0 (row), not 2 (col_turing)", form: .int8) { model in
            try model.changeBytes(of: "\(layer).weight_format") { $0 = Data([2]) }
        },
    ]

    static let layer = "model.layers.0.self_attn.q_proj"

    private func expectRefusal(_ outcome: Outcome, _ damage: Damage) {
        #expect(outcome.status == damage.code, "\(outcome.errors)")
        #expect(outcome.errors.contains(damage.reason), "\(outcome.errors)")
        #expect(outcome.errors.hasPrefix("bnb: "))
        #expect(outcome.output.isEmpty)
    }

    @Test("damaged files are refused by quantize, and nothing is written", arguments: weights + configurations)
    func quantize(damage: Damage) throws {
        let (model, scratch) = (try TinyModel(), try Scratch())
        try damage.apply(model)
        expectRefusal(try Command.run("quantize", "--model", model.path, "--to", "nf4", "--output", "\(scratch.path)/m"), damage)
        #expect(try scratch.names == [])
    }

    @Test("damaged files are refused by generate", arguments: weights + configurations + quantized + int8)
    func generate(damage: Damage) throws {
        let model = try TinyModel(damage.form)
        try damage.apply(model)
        expectRefusal(try Command.run("generate", "--model", model.path, "--prompt", "a", "--max-new-tokens", "1"), damage)
    }

    @Test("broken quantized layers are refused by inspect and dequantize", arguments: quantized + int8)
    func inspect(damage: Damage) throws {
        let (model, scratch) = (try TinyModel(damage.form), try Scratch())
        try damage.apply(model)
        expectRefusal(try Command.run("inspect", "--model", model.path), damage)
        expectRefusal(try Command.run("dequantize", "--model", model.path, "--output", "\(scratch.path)/m"), damage)
        #expect(try scratch.names == [])
    }

    @Test(
        "tokenizers of another kind are refused",
        arguments: [
            Damage(name: "a tokenizer cut short", reason: "tokenizer.json") {
                try $0.scratch.write(try $0.scratch.data("tokenizer.json").prefix(3000), as: "tokenizer.json")
            },
            Damage(name: "another kind of tokenizer", reason: "Neural") {
                try $0.change("tokenizer.json") { $0["model"] = ["type": "Neural", "vocab": ["a": 0]] }
            },
            Damage(name: "no tokenizer", reason: "has no tokenizer.json", code: 74) {
                try FileManager.default.removeItem(atPath: "\($0.path)/tokenizer.json")
            },
        ])
    func tokenizer(damage: Damage) throws {
        let model = try TinyModel()
        try damage.apply(model)
        expectRefusal(try Command.run("generate", "--model", model.path, "--prompt", "a"), damage)
    }

    @Test("a model that computes NaN is refused by generate and evaluate, not run to the end")
    func notANumber() throws {
        let model = try TinyModel()
        try model.changeBytes(of: "model.norm.weight") { $0.replaceSubrange(0..<4, with: [0, 0, 0xc0, 0x7f]) }
        let generated = try Command.run("generate", "--model", model.path, "--prompt", "a", "--json")
        #expect(generated.status == 65 && generated.output.isEmpty)
        #expect(generated.errors.contains("the model computes no numbers (NaN) for token"))
        try model.scratch.write(String(repeating: "the quick brown fox ", count: 100), as: "text.txt")
        let evaluated = try Command.run("evaluate", "--model", model.path, "--text", "\(model.path)/text.txt", "--window", "16", "--json")
        #expect(evaluated.status == 65 && evaluated.output.isEmpty)
        #expect(evaluated.errors.contains("the model computes no numbers (NaN) in windows 0 to"))
    }

    @Test("settings that are not implemented, and tokens that are none, are warnings")
    func generationWarnings() throws {
        let model = try TinyModel()
        try model.change("generation_config.json") { fields in
            for (key, value) in [
                "top_h": 0.5, "no_repeat_ngram_size": 2, "typical_p": 1.0, "num_beams": 1, "eos_token_id": 99999, "bos_token_id": -7,
            ] {
                fields[key] = value
            }
        }
        let outcome = try Command.run("generate", "--model", model.path, "--prompt", "a", "--max-new-tokens", "1")
        #expect(outcome.status == 0)
        #expect(outcome.errors.contains("generation_config.json sets top_h, no_repeat_ngram_size, which is not implemented"))
        #expect(
            outcome.errors.contains("bos_token_id is -7, which is no token") && outcome.errors.contains("eos_token_id is 99999, which is no token"))
    }

    @Test("a token that the model does not know is a warning, and refused where a prompt has it")
    func addedToken() throws {
        let model = try TinyModel()
        try model.change("tokenizer.json") { tokenizer in
            let token = ["id": 5000, "content": "<|pad|>", "special": true] as [String: Any]
            tokenizer["added_tokens"] = (tokenizer["added_tokens"] as? [Any] ?? []) + [token]
        }
        let arguments = ["generate", "--model", model.path, "--max-new-tokens", "1", "--prompt"]
        let outcome = try Command.run(arguments + ["a"])
        #expect(outcome.status == 0)
        #expect(outcome.errors.contains("warning: tokenizer.json has 5001 tokens"))
        let refused = try Command.run(arguments + ["a <|pad|>"])
        #expect(refused.status == 65)
        #expect(refused.errors.contains("the prompt has token 5000"))
    }

    @Test("all that is missing is named at once")
    func allMissing() throws {
        let model = try TinyModel()
        try model.changeHeader { entries in
            for (number, name) in ["model.norm.weight", BadInputTests.query].enumerated() {
                entries["other\(number)"] = entries[name]
                entries[name] = nil
            }
        }
        let errors = try Command.run("generate", "--model", model.path, "--prompt", "a").errors
        #expect(errors.contains("'model.norm.weight' [64] is missing") && errors.contains("'\(BadInputTests.query)' [64, 64] is missing"))
    }

    @Test("a model that is not there is refused", arguments: [["quantize", "--to", "nf4", "--output", "none"], ["inspect"], ["evaluate"]])
    func missingModel(verb: [String]) throws {
        let outcome = try Command.run(verb + ["--model", "/nowhere/model"])
        #expect(outcome.status == 74)
        #expect(outcome.errors.contains("/nowhere/model: is not there"))
    }

    @Test("a checkpoint that is quantized already is not quantized again")
    func twice() throws {
        let (model, scratch) = (try TinyModel(.nf4), try Scratch())
        let outcome = try Command.run("quantize", "--model", model.path, "--to", "fp4", "--output", "\(scratch.path)/m")
        #expect(outcome.status == 65)
        #expect(outcome.errors.contains("is quantized already (nf4); start from the model's unquantized version"))
        #expect(try scratch.names == [])
    }

    @Test(
        "a quantization_config that contradicts itself is refused",
        arguments: [
            (["load_in_4bit": true, "load_in_8bit": true] as [String: any Sendable], "load_in_8bit and load_in_4bit both true; choose one"),
            (["load_in_4bit": true, "bnb_4bit_quant_type": "int3"], "bnb_4bit_quant_type 'int3'; one of fp4, nf4 was expected"),
            (["load_in_8bit": "yes"], "true or false as 'quantization_config.load_in_8bit'; it has \"yes\""),
            (["load_in_8bit": true, "llm_int8_threshold": 6], "a number with a decimal point"), (["quant_method": "gptq"], "'gptq'"),
        ])
    func contradiction(section: [String: any Sendable], reason: String) throws {
        let (model, scratch) = (try TinyModel(.nf4), try Scratch())
        try model.change("config.json") { $0["quantization_config"] = section }
        for verb in [["inspect"], ["generate", "--prompt", "a"], ["evaluate"], ["dequantize", "--output", "\(scratch.path)/m"]] {
            let outcome = try Command.run(verb + ["--model", model.path])
            #expect(outcome.status == 65 && outcome.errors.contains(reason), "\(verb): \(outcome.errors)")
        }
        #expect(try scratch.names == [])
    }

    @Test("a checkpoint that is quantized keeps its form, with a warning")
    func keptForm() throws {
        let model = try TinyModel(.nf4)
        let arguments = ["evaluate", "--windows", "1", "--window", "16", "--json", "--model", model.path]
        let (plain, asked) = (try Command.run(arguments), try Command.run(arguments + ["--load-in", "fp4"]))
        #expect(plain.errors.isEmpty && asked.errors.contains("the checkpoint is quantized already (nf4) and stays so"))
        #expect(try asked.status == 0 && asked.json["nll"] as? Double == plain.json["nll"] as? Double)
    }

    @Test("an output folder that exists is left alone")
    func existingOutput() throws {
        let scratch = try Scratch()
        try scratch.write("mine", as: "file")
        let outcome = try Command.run("quantize", "--to", "nf4", "--output", scratch.path)
        #expect(outcome.status == 74)
        #expect(outcome.errors.contains("already exists; name a new folder or remove this one"))
        #expect(try scratch.names == ["file"])
    }

    @Test("an output folder that cannot be made is refused", arguments: ["/proc/model", "/nowhere/at/all", "/proc/self/fd/none/model"])
    func impossibleOutput(path: String) throws {
        let outcome = try Command.run("quantize", "--to", "nf4", "--output", path)
        #expect(outcome.status == 74)
        #expect(outcome.errors.contains("cannot be written"))
    }

    @Test("a full disk is an error, and nothing is left behind")
    func fullDisk() throws {
        // The limit on the size of a file stands in for a disk of that size.
        let scratch = try Scratch()
        let process = try Command.run(
            shell: "trap '' XFSZ; ulimit -f 1000; exec \"$0\" quantize --to nf4 --output \"$1\"", [Command.path, "\(scratch.path)/m"])
        #expect(process.status == 74)
        #expect(process.errors.contains("cannot be written") && process.errors.contains("nothing was left behind"))
        #expect(try scratch.names == [])
    }
}
