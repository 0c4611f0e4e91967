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
        #expect(result["kept"] as? [String] == ["lm_head"])
        let tensors = try #require(result["tensors"] as? [[String: Any]])
        #expect(result["bytes"] as? Int == tensors.reduce(0) { $0 + ($1["bytes"] as? Int ?? 0) })
        #expect(result["parameters"] as? Int == (try Command.run("inspect", "--model", plain.path, "--json").json["parameters"] as? Int))
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
