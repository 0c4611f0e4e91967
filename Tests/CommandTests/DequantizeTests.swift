import Foundation
import Testing

@Suite struct DequantizeTests {
    private func dequantize(_ model: TinyModel, to scratch: Scratch, _ options: String...) throws -> Outcome {
        try Command.run(["dequantize", "--model", model.path, "--output", "\(scratch.path)/m"] + options)
    }

    private func tensors(_ path: String) throws -> [String: String] {
        let result = try Command.run("inspect", "--model", path, "--json").json
        let entries = try #require(result["tensors"] as? [[String: Any]])
        return Dictionary(uniqueKeysWithValues: entries.map { ("\($0["name"] ?? "")", "\($0["type"] ?? "") \($0["shape"] ?? "")") })
    }

    @Test(
        "the result has the names, types and shapes of the model that was quantized, and says nothing of quantization",
        arguments: TinyModel.Form.allCases)
    func layout(form: TinyModel.Form) throws {
        let (model, plain, scratch) = (try TinyModel(form), try TinyModel(), try Scratch())
        let outcome = try dequantize(model, to: scratch)
        guard form != .plain else {
            #expect(outcome.status == 65 && outcome.errors.contains("holds no quantized weight; there is nothing to dequantize"))
            #expect(try scratch.names == [])
            return
        }
        #expect(outcome.status == 0 && outcome.errors.isEmpty)
        #expect(outcome.output.contains("14 layers dequantized (14 in \(form == .nf4 ? "nf4" : "int8"))"))
        #expect(try tensors("\(scratch.path)/m") == tensors(plain.path))
        let written = try JSONSerialization.jsonObject(with: try scratch.data("m/config.json")) as? [String: Any]
        let original = try JSONSerialization.jsonObject(with: try plain.scratch.data("config.json")) as? [String: Any]
        #expect(
            NSDictionary(dictionary: written ?? [:])
                == NSDictionary(dictionary: (original ?? [:]).merging(["transformers_version": written?["transformers_version"] ?? ""]) { $1 }))
        #expect(FileManager.default.fileExists(atPath: "\(scratch.path)/m/tokenizer.json"))
    }

    @Test("what is not quantized stays as it is, byte for byte, also in a type that loses nothing", arguments: [[], ["--dtype", "float32"]])
    func copies(options: [String]) throws {
        let (model, scratch) = (try TinyModel(.nf4), try Scratch())
        #expect(try Command.run(["dequantize", "--model", model.path, "--output", "\(scratch.path)/m"] + options).status == 0)
        let (before, after) = (try weights("\(model.path)/model.safetensors").entries, try weights("\(scratch.path)/m/model.safetensors").entries)
        for name in ["model.embed_tokens.weight", "lm_head.weight", "model.layers.1.input_layernorm.weight"] {
            #expect(before[name] != nil && before[name] == after[name], "\(name)")
        }
    }

    @Test("it predicts as the quantized one does")
    func likelihood() throws {
        let (model, scratch) = (try TinyModel(.nf4), try Scratch())
        #expect(try dequantize(model, to: scratch).status == 0)
        let arguments = ["evaluate", "--windows", "4", "--window", "64", "--json", "--model"]
        let stored = try #require(try Command.run(arguments + [model.path]).json["nll"] as? Double)
        let plain = try #require(try Command.run(arguments + ["\(scratch.path)/m"]).json["nll"] as? Double)
        #expect(abs(stored - plain) < 1e-5)
        // Quantizing what quantized weights stand for changes nothing: the same codes, scales of the same blocks.
        #expect(try Command.run("quantize", "--model", "\(scratch.path)/m", "--to", "nf4", "--output", "\(scratch.path)/again").status == 0)
        let again = try #require(try Command.run(arguments + ["\(scratch.path)/again"]).json["nll"] as? Double)
        #expect(abs(stored - again) < 1e-4)
    }

    @Test(
        "a type that is asked for holds for every tensor, and stands in config.json",
        arguments: [("float16", "F16"), ("torch.bfloat16", "BF16"), ("fp32", "F32")])
    func type(name: String, stored: String) throws {
        let (model, scratch) = (try TinyModel(.nf4), try Scratch())
        let result = try dequantize(model, to: scratch, "--dtype", name, "--json").json
        #expect((result["dequantized"] as? [[String: String]])?.count == 14)
        #expect(try tensors("\(scratch.path)/m").values.allSatisfy { $0.hasPrefix("\(stored) ") })
        let type = ["F16": "float16", "BF16": "bfloat16", "F32": "float32"][stored] ?? ""
        #expect(String(decoding: try scratch.data("m/config.json"), as: UTF8.self).contains("\"dtype\": \"\(type)\""))
    }

    @Test("entries of a type that cannot be copied are refused by name")
    func otherTypes() throws {
        let (model, scratch) = (try TinyModel(.nf4), try Scratch())
        try model.changeHeader { $0["model.norm.weight"]?.merge(["dtype": "F64", "shape": [32]]) { $1 } }
        let outcome = try dequantize(model, to: scratch)
        #expect(outcome.status == 65 && outcome.errors.contains("has 'model.norm.weight' in F64, which cannot be copied"))
        #expect(try scratch.names == [])
    }

    @Test("numbers that float16 cannot hold are counted with their tensors")
    func overflow() throws {
        let (model, scratch) = (try TinyModel(.int8), try Scratch())
        let million: [UInt8] = [0x00, 0x24, 0x74, 0x49]
        try model.changeBytes(of: "model.norm.weight") { $0.replaceSubrange(4..<8, with: million) }
        try model.changeBytes(of: "model.layers.0.mlp.up_proj.SCB") { $0.replaceSubrange(0..<4, with: million) }
        let outcome = try dequantize(model, to: scratch, "--dtype", "fp16", "--json")
        let found = try #require(outcome.json["non_finite"] as? [[String: Any]])
        #expect(found.count == 2 && found.contains { $0["name"] as? String == "model.norm.weight" && $0["count"] as? Int == 1 })
        #expect(outcome.errors.contains("model.norm.weight: 1 numbers are infinite or NaN in the type that is written"))
        #expect(outcome.errors.contains("model.layers.0.mlp.up_proj.weight: "))
        let wide = try Scratch()
        #expect(try dequantize(model, to: wide, "--dtype", "bf16").errors.isEmpty)
    }

    @Test("a layer whose description has another shape than the model's is refused", arguments: ["dequantize", "evaluate"])
    func shape(verb: String) throws {
        let (model, scratch) = (try TinyModel(.nf4), try Scratch())
        let layer = "model.layers.0.self_attn.q_proj.weight"
        try model.changeBytes(of: "\(layer).quant_state.bitsandbytes__nf4") { bytes in
            guard let range = bytes.range(of: Data("[64, 64]".utf8)) else { return }
            bytes.replaceSubrange(range, with: Data("[128,32]".utf8))
        }
        let outcome = try verb == "dequantize" ? dequantize(model, to: scratch) : Command.run(verb, "--model", model.path)
        #expect(outcome.status == 65)
        #expect(outcome.errors.contains("'\(layer)' is nf4 [128, 32], not [64, 64]"))
    }

    @Test("scales that are no magnitudes are refused", arguments: ["dequantize", "inspect"])
    func scales(verb: String) throws {
        let (model, scratch) = (try TinyModel(.int8), try Scratch())
        try model.changeBytes(of: "model.layers.0.mlp.up_proj.SCB") { $0.replaceSubrange(0..<4, with: [0, 0, 0xc0, 0x7f]) }
        let outcome = try verb == "dequantize" ? dequantize(model, to: scratch) : Command.run(verb, "--model", model.path)
        #expect(outcome.status == 65 && outcome.errors.contains("'model.layers.0.mlp.up_proj.weight': SCB of the quantized tensor should be finite"))
    }

    @Test("the built-in model comes back in the type it had")
    func builtIn() throws {
        let scratch = try Scratch()
        for format in ["nf4-dq", "int8"] {
            let (quantized, plain) = ("\(scratch.path)/\(format)", "\(scratch.path)/\(format)-plain")
            #expect(try Command.run("quantize", "--to", format, "--output", quantized).status == 0)
            #expect(try Command.run("dequantize", "--model", quantized, "--output", plain).status == 0)
            #expect(Set(try tensors(plain).values.map { $0.prefix { $0 != " " } }) == ["BF16"])
        }
    }

    @Test("large results are spread over files")
    func shards() throws {
        let (model, plain, scratch) = (try TinyModel(.int8), try TinyModel(), try Scratch())
        #expect(try dequantize(model, to: scratch, "--max-shard-size", "200kB").status == 0)
        #expect(FileManager.default.fileExists(atPath: "\(scratch.path)/m/model.safetensors.index.json"))
        #expect(try tensors("\(scratch.path)/m") == tensors(plain.path))
    }
}
