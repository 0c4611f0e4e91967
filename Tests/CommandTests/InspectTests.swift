import Foundation
import Testing

@Suite struct InspectTests {
    @Test("the built-in model is shown with its sizes")
    func builtIn() throws {
        let outcome = try Command.run("inspect")
        #expect(outcome.status == 0)
        #expect(outcome.output.contains("llama, 5475584 parameters"))
        #expect(outcome.output.contains("linear layers: 0 of 42 quantized"))
        #expect(outcome.output.contains("quantization_config: none"))
    }

    @Test("a checkpoint that transformers quantized is shown entry by entry")
    func quantized() throws {
        let (model, plain) = (try TinyModel(quantized: true), try TinyModel())
        let result = try Command.run("inspect", "--model", model.path, "--json").json
        let layers = try #require(result["quantized"] as? [[String: Any]])
        #expect(layers.count == 14)
        let layer = try #require(layers.first { $0["path"] as? String == "model.layers.1.mlp.down_proj" })
        #expect(layer["format"] as? String == "nf4")
        #expect(layer["block_size"] as? Int == 64)
        #expect(layer["shape"] as? [Int] == [64, 192])
        #expect(layer["nested_block_size"] as? Int == 256)
        let entries = try #require(layer["entries"] as? [[String: Any]])
        #expect(
            entries.compactMap { ($0["name"] as? String)?.replacing("model.layers.1.mlp.down_proj.", with: "") } == [
                "weight", "weight.absmax", "weight.quant_map", "weight.nested_absmax", "weight.nested_quant_map",
                "weight.quant_state.bitsandbytes__nf4",
            ])
        #expect(layer["bytes"] as? Int == entries.reduce(0) { $0 + ($1["bytes"] as? Int ?? 0) })
        #expect(result["kept"] as? [String] == ["lm_head"])
        let tensors = try #require(result["tensors"] as? [[String: Any]])
        #expect(result["bytes"] as? Int == tensors.reduce(0) { $0 + ($1["bytes"] as? Int ?? 0) })
        #expect(result["parameters"] as? Int == (try Command.run("inspect", "--model", plain.path, "--json").json["parameters"] as? Int))
    }

    @Test("a checkpoint in 8 bits is shown entry by entry")
    func int8() throws {
        let model = try TinyModel(.int8)
        let brief = try Command.run("inspect", "--model", model.path).output
        #expect(brief.contains("  model.layers.*.mlp.down_proj: int8 [64, 192], a scale a row, 12.5 kB, 8.17 bits a weight, 2 times\n"))
        #expect(!brief.contains("SCB") && !brief.contains("layers.1."))
        let outcome = try Command.run("inspect", "--model", model.path, "--tensors")
        #expect(outcome.output.contains("quantization_config: llm_int8, outlier threshold 6.0"))
        #expect(outcome.output.contains("linear layers: 14 of 15 quantized, 100.0 % of their weights, heads aside\n  kept lm_head\n"))
        #expect(outcome.output.contains("  model.layers.1.mlp.down_proj: int8 [64, 192], a scale a row, 12.5 kB, 8.17 bits a weight\n"))
        #expect(outcome.output.contains("    weight I8 [64, 192], SCB F32 [64], weight_format U8 []\n"))
        let result = try Command.run("inspect", "--model", model.path, "--json").json
        let layer = try #require((result["quantized"] as? [[String: Any]])?.first { $0["path"] as? String == "model.layers.0.self_attn.k_proj" })
        #expect(layer["format"] as? String == "int8" && layer["storage"] as? String == "int8" && layer["shape"] as? [Int] == [32, 64])
        #expect(layer["block_size"] is NSNull && layer["dtype"] is NSNull)
        #expect((result["quantization_config"] as? [String: Any])?["load_in_8bit"] as? Bool == true)
        let original = try TinyModel()
        let plain = try Command.run("inspect", "--model", original.path, "--json").json
        #expect(result["parameters"] as? Int == plain["parameters"] as? Int)
    }

    @Test("a family that is not known is shown without coverage")
    func unknownFamily() throws {
        let model = try TinyModel()
        try model.change("config.json") { $0["model_type"] = "mamba" }
        let outcome = try Command.run("inspect", "--model", model.path)
        #expect(outcome.status == 0)
        #expect(outcome.output.contains("mamba") && !outcome.output.contains("linear layers"))
    }
}
