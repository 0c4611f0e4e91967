import Foundation
import Testing
import _BitsTestSupport

/// How much memory loading and converting take, seen from outside: the most that the process held, of which the system keeps count.
@Suite struct StreamingTests {
    /// A model whose weights are large beside all else that the command holds: 100 MB in bfloat16, 4 MB the largest tensor.
    private struct LargeModel {
        let scratch: Scratch
        var path: String { scratch.path }
        let byteCount: Int
        let largest: Int

        init() throws {
            let (width, inner, layers) = (1024, 2048, 5)
            var shapes: [String: [Int]] = ["model.embed_tokens.weight": [512, width], "model.norm.weight": [width]]
            for layer in 0..<layers {
                let path = "model.layers.\(layer)"
                for name in ["q", "k", "v", "o"] { shapes["\(path).self_attn.\(name)_proj.weight"] = [width, width] }
                for name in ["gate", "up"] { shapes["\(path).mlp.\(name)_proj.weight"] = [inner, width] }
                shapes["\(path).mlp.down_proj.weight"] = [width, inner]
                for name in ["input", "post_attention"] { shapes["\(path).\(name)_layernorm.weight"] = [width] }
            }
            try self.init(
                shapes,
                fields: [
                    "model_type": "llama", "hidden_size": width, "intermediate_size": inner, "num_hidden_layers": layers, "num_attention_heads": 16,
                ])
        }

        /// With eight experts in two tensors of 34 and 17 MB.
        static func ofStackedExperts() throws -> LargeModel {
            let (width, path) = (1024, "model.layers.0")
            var shapes = [
                "model.embed_tokens.weight": [512, width], "model.norm.weight": [width], "\(path).mlp.gate.weight": [8, width],
                "\(path).mlp.experts.gate_up_proj": [8, 2 * width, width], "\(path).mlp.experts.down_proj": [8, width, width],
            ]
            for name in ["q", "k", "v", "o"] { shapes["\(path).self_attn.\(name)_proj.weight"] = [width, width] }
            for name in ["input", "post_attention"] { shapes["\(path).\(name)_layernorm.weight"] = [width] }
            return try LargeModel(
                shapes,
                fields: [
                    "model_type": "mixtral", "hidden_size": width, "intermediate_size": width, "num_hidden_layers": 1, "num_attention_heads": 16,
                    "num_local_experts": 8, "num_experts_per_tok": 2,
                ])
        }

        private init(_ shapes: [String: [Int]], fields: [String: Any]) throws {
            scratch = try Scratch()
            let sorted = shapes.sorted { $0.key < $1.key }.map { (name: $0.key, shape: $0.value, byteCount: 2 * $0.value.reduce(1, *)) }
            var header: [String: Any] = ["__metadata__": ["format": "pt"]]
            var offset = 0
            for tensor in sorted {
                header[tensor.name] = ["dtype": "BF16", "shape": tensor.shape, "data_offsets": [offset, offset + tensor.byteCount]]
                offset += tensor.byteCount
            }
            byteCount = offset
            largest = sorted.map(\.byteCount).max() ?? 0
            var text = try JSONSerialization.data(withJSONObject: header)
            while text.count % 8 != 0 { text.append(UInt8(ascii: " ")) }
            var data = Data((0..<8).map { UInt8(truncatingIfNeeded: text.count >> (8 * $0)) })
            data.append(text)
            // Numbers between -0.03 and 0.03 that differ from their neighbours.
            let block = Data((0..<1 << 19).flatMap { [UInt8(truncatingIfNeeded: $0 &* 37), $0 % 3 == 0 ? 0xbc : 0x3c] })
            for start in stride(from: 0, to: offset, by: block.count) { data.append(block.prefix(min(block.count, offset - start))) }
            try scratch.write(data, as: "model.safetensors")
            let common: [String: Any] = ["vocab_size": 512, "max_position_embeddings": 64, "tie_word_embeddings": true, "dtype": "bfloat16"]
            try scratch.write(try JSONSerialization.data(withJSONObject: fields.merging(common) { $1 }), as: "config.json")
            let tokenizer = "\(ParityCases.folder)/models/llama/model/tokenizer.json"
            try scratch.write(try Data(contentsOf: URL(fileURLWithPath: tokenizer)), as: "tokenizer.json")
        }
    }

    /// The most memory that a run of the command held.
    private func peak(_ arguments: [String]) throws -> (memory: Int, result: [String: Any]) {
        let outcome = try Command.run(arguments + ["--json"], environment: ["BNB_NUM_THREADS": "2"])
        #expect(outcome.status == 0, "\(outcome.errors)")
        let result = try outcome.json
        return (try #require(result["peak_memory_bytes"] as? Int), result)
    }

    /// What the process holds besides: its code, its stacks, a thread's scratch, freed blocks that wait for their next use.
    private static let slack = 20_000_000

    @Test(
        "loading takes the memory of the quantized model and one tensor, and nothing of the rest of the file",
        arguments: ["nf4-dq", "fp4", "int8", "nf4 --quantize-embeddings"])
    func loading(format: String) throws {
        let (model, tiny) = (try LargeModel(), try TinyModel())
        let arguments =
            ["generate", "--prompt", "a", "--max-new-tokens", "1", "--load-in"] + format.split(separator: " ").map(String.init) + ["--model"]
        let base = try peak(arguments + [tiny.path]).memory
        let (memory, result) = try peak(arguments + [model.path])
        let weights = try #require(result["weight_bytes"] as? Int)
        #expect(weights < model.byteCount * 6 / 10)
        #expect(memory - base < weights + model.largest + StreamingTests.slack)
        #expect(memory - base > weights / 2, "the count is of something else")
    }

    @Test("of experts that lie stacked in one tensor, loading and converting hold one matrix at a time")
    func stackedExperts() throws {
        let (model, tiny, scratch) = (try LargeModel.ofStackedExperts(), try TinyModel(), try Scratch())
        let matrix = model.largest / 16
        let arguments = ["generate", "--prompt", "a", "--max-new-tokens", "1", "--load-in", "nf4", "--require-coverage", "0.99", "--model"]
        let base = try peak(arguments + [tiny.path]).memory
        let (memory, result) = try peak(arguments + [model.path])
        let weights = try #require(result["weight_bytes"] as? Int)
        #expect(weights < model.byteCount / 3 && memory - base < weights + matrix + StreamingTests.slack)
        let converting = try peak(["quantize", "--model", model.path, "--to", "nf4", "--output", "\(scratch.path)/m"]).memory
        #expect(converting - base < weights / 8 + 3 * matrix + StreamingTests.slack)
    }

    @Test("a quantized checkpoint loads within its own size")
    func prequantized() throws {
        let (model, tiny, scratch) = (try LargeModel(), try TinyModel(), try Scratch())
        let (converting, result) = try peak(["quantize", "--model", model.path, "--to", "nf4", "--output", "\(scratch.path)/m"])
        let arguments = ["generate", "--prompt", "a", "--max-new-tokens", "1", "--model"]
        let base = try peak(arguments + [tiny.path]).memory
        let weights = try #require(result["bytes"] as? Int)
        #expect(try peak(arguments + ["\(scratch.path)/m"]).memory - base < weights + StreamingTests.slack)
        // Converting holds the scales (an eighth of the codes) and one layer as it was, as it is and as it is written.
        #expect(converting - base < weights / 8 + 3 * model.largest + StreamingTests.slack)
        let back = try peak(["dequantize", "--model", "\(scratch.path)/m", "--output", "\(scratch.path)/back"]).memory
        #expect(back - base < 3 * model.largest + StreamingTests.slack)
    }
}
