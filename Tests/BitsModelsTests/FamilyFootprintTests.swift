import BitsIO
import BitsModels
import BitsNN
import BitsQuant
import Testing

/// What models that people use would take, from their published configurations alone: no weight is read or allocated.
@Suite("Footprints of published models")
struct FamilyFootprintTests {
    struct Golden: CustomTestStringConvertible, Sendable {
        let name: String
        let configuration: String
        let parameters: Int
        /// Bytes in NF4 and in int8, the rest in 16 bits, as transformers counts them: without scales. By the formulas of the papers.
        let fourBit: Int
        let int8: Int

        var testDescription: String { name }
    }

    static let goldens = [
        Golden(
            name: "Llama-2-7B",
            configuration: """
                "model_type": "llama", "vocab_size": 32000, "hidden_size": 4096, "intermediate_size": 11008, "num_hidden_layers": 32,
                "num_attention_heads": 32, "num_key_value_heads": 32
                """, parameters: 6_738_415_616, fourBit: 3_762_823_168, int8: 7_000_825_856),
        Golden(
            name: "Llama-2-70B",
            configuration: """
                "model_type": "llama", "vocab_size": 32000, "hidden_size": 8192, "intermediate_size": 28672, "num_hidden_layers": 80,
                "num_attention_heads": 64, "num_key_value_heads": 8
                """, parameters: 68_976_648_192, fourBit: 35_276_734_464, int8: 69_502_255_104),
        Golden(
            name: "Llama-3.1-8B",
            configuration: """
                "model_type": "llama", "vocab_size": 128256, "hidden_size": 4096, "intermediate_size": 14336, "num_hidden_layers": 32,
                "num_attention_heads": 32, "num_key_value_heads": 8
                """, parameters: 8_030_261_248, fourBit: 5_591_539_712, int8: 9_081_200_640),
        Golden(
            name: "Llama-3.1-70B",
            configuration: """
                "model_type": "llama", "vocab_size": 128256, "hidden_size": 8192, "intermediate_size": 28672, "num_hidden_layers": 80,
                "num_attention_heads": 64, "num_key_value_heads": 8
                """, parameters: 70_553_706_496, fourBit: 38_430_851_072, int8: 72_656_371_712),
        Golden(
            name: "Mistral-7B",
            configuration: """
                "model_type": "mistral", "vocab_size": 32000, "hidden_size": 4096, "intermediate_size": 14336, "num_hidden_layers": 32,
                "num_attention_heads": 32, "num_key_value_heads": 8
                """, parameters: 7_241_732_096, fourBit: 4_014_481_408, int8: 7_504_142_336),
        Golden(
            name: "Mixtral-8x7B",
            configuration: """
                "model_type": "mixtral", "vocab_size": 32000, "hidden_size": 4096, "intermediate_size": 14336, "num_hidden_layers": 32,
                "num_attention_heads": 32, "num_key_value_heads": 8, "num_local_experts": 8, "num_experts_per_tok": 2
                """, parameters: 46_702_792_704, fourBit: 23_746_584_576, int8: 46_966_251_520),
        Golden(
            name: "Qwen2.5-7B",
            configuration: """
                "model_type": "qwen2", "vocab_size": 152064, "hidden_size": 3584, "intermediate_size": 18944, "num_hidden_layers": 28,
                "num_attention_heads": 28, "num_key_value_heads": 4
                """, parameters: 7_615_616_512, fourBit: 5_443_300_352, int8: 8_705_944_576),
        Golden(
            name: "Qwen3-30B-A3B",
            configuration: """
                "model_type": "qwen3_moe", "vocab_size": 151936, "hidden_size": 2048, "intermediate_size": 6144, "num_hidden_layers": 48,
                "num_attention_heads": 32, "num_key_value_heads": 4, "head_dim": 128, "num_experts": 128, "num_experts_per_tok": 8,
                "moe_intermediate_size": 768
                """, parameters: 30_532_122_624, fourBit: 16_218_746_880, int8: 31_167_246_336),
        Golden(
            name: "Phi-3-mini",
            configuration: """
                "model_type": "phi3", "vocab_size": 32064, "hidden_size": 3072, "intermediate_size": 8192, "num_hidden_layers": 32,
                "num_attention_heads": 32, "num_key_value_heads": 32
                """, parameters: 3_821_079_552, fourBit: 2_206_341_120, int8: 4_018_280_448),
        Golden(
            name: "Gemma-2-2B",
            configuration: """
                "model_type": "gemma2", "vocab_size": 256000, "hidden_size": 2304, "intermediate_size": 9216, "num_hidden_layers": 26,
                "num_attention_heads": 8, "num_key_value_heads": 4, "head_dim": 256
                """, parameters: 2_614_341_888, fourBit: 2_192_269_824, int8: 3_204_407_808),
        Golden(
            name: "Gemma-3-1B",
            configuration: """
                "model_type": "gemma3_text", "vocab_size": 262144, "hidden_size": 1152, "intermediate_size": 6912, "num_hidden_layers": 26,
                "num_attention_heads": 4, "num_key_value_heads": 1, "head_dim": 256
                """, parameters: 999_885_952, fourBit: 953_129_216, int8: 1_302_010_112),
        Golden(
            name: "GPT-2 XL",
            configuration: """
                "model_type": "gpt2", "vocab_size": 50257, "n_embd": 1600, "n_layer": 48, "n_head": 25, "n_positions": 1024
                """, parameters: 1_557_611_200, fourBit: 903_382_400, int8: 1_640_662_400),
        Golden(
            name: "bloom-1b7",
            configuration: """
                "model_type": "bloom", "vocab_size": 250880, "n_embed": 2048, "n_layer": 24, "num_attention_heads": 16
                """, parameters: 1_722_408_960, fourBit: 1_632_878_592, int8: 2_236_858_368),
        Golden(
            name: "OPT-6.7B",
            configuration: """
                "model_type": "opt", "vocab_size": 50272, "hidden_size": 4096, "ffn_dim": 16384, "num_hidden_layers": 32,
                "num_attention_heads": 32, "max_position_embeddings": 2048
                """, parameters: 6_658_473_984, fourBit: 3_653_271_552, int8: 6_874_497_024),
    ]

    @Test("Parameters and bytes are the known ones", arguments: goldens)
    func footprint(golden: Golden) throws {
        guard case .object(let object) = try JSONValue(parsing: Array("{\(golden.configuration)}".utf8)) else { return }
        let model = try CausalLanguageModel(ModelConfiguration(ConfigurationFields(object, path: golden.name)))
        let whole = model.footprint(quantizedTo: nil, dtype: .bfloat16)
        #expect(whole.parameterCount == golden.parameters && whole.byteCount == 2 * golden.parameters)
        #expect(model.footprint(quantizedTo: .fourBit(.nf4), dtype: .bfloat16).codeByteCount == golden.fourBit)
        #expect(model.footprint(quantizedTo: .int8(), dtype: .bfloat16).codeByteCount == golden.int8)
        if golden.name == "bloom-1b7" {
            // The ratios that transformers' own tests expect of it.
            #expect(abs(2 * Double(golden.parameters) / Double(golden.fourBit) - 2.109659552692574) < 1e-12)
            #expect(abs(2 * Double(golden.parameters) / Double(golden.int8) - 1.540025) < 5e-7)
        }
    }
}
