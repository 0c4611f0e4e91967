public import BitsIO

/// The sizes of a model that people use, as its config.json publishes them: the model without its files.
public struct PublishedShape: Sendable {
    /// The model's name in lower case: `llama-3.1-8b`.
    public let name: String
    /// What config.json says of sizes and types.
    private let fields: String

    /// The configuration, from which a model is made; its path is the name.
    ///
    /// - Throws: ``BitsIO/ModelFileError``, for none of ``all``.
    public var configuration: ModelConfiguration {
        get throws(ModelFileError) {
            guard case .object(let object) = try JSONValue(parsing: Array("{\(fields)}".utf8), path: name) else {
                throw .malformed(path: name, "is no object")
            }
            return try ModelConfiguration(ConfigurationFields(object, path: name))
        }
    }

    /// The shape called `name`, however its letters are cased; nil where there is none.
    public static func named(_ name: String) -> PublishedShape? { all.first { $0.name == name.lowercased() } }

    public static let all: [PublishedShape] = [
        llama("llama-2-7b", 4096, 11008, layers: 32, heads: 32, 32, context: 4096, vocabulary: 32000, type: "float16"),
        llama("llama-2-13b", 5120, 13824, layers: 40, heads: 40, 40, context: 4096, vocabulary: 32000, type: "float16"),
        llama("llama-2-70b", 8192, 28672, layers: 80, heads: 64, 8, context: 4096, vocabulary: 32000, type: "float16"),
        llama("llama-3.1-8b", 4096, 14336, layers: 32, heads: 32, 8, context: 131_072, vocabulary: 128_256),
        llama("llama-3.1-70b", 8192, 28672, layers: 80, heads: 64, 8, context: 131_072, vocabulary: 128_256),
        llama("llama-3.2-1b", 2048, 8192, layers: 16, heads: 32, 8, context: 131_072, vocabulary: 128_256, ties: true),
        llama("llama-3.2-3b", 3072, 8192, layers: 28, heads: 24, 8, context: 131_072, vocabulary: 128_256, ties: true),
        llama("mistral-7b", 4096, 14336, layers: 32, heads: 32, 8, context: 32768, vocabulary: 32000, family: "mistral"),
        llama(
            "mixtral-8x7b", 4096, 14336, layers: 32, heads: 32, 8, context: 32768, vocabulary: 32000, family: "mixtral",
            more: #""num_local_experts": 8, "num_experts_per_tok": 2"#),
        qwen2("qwen2.5-0.5b", 896, 4864, layers: 24, heads: 14, 2, ties: true),
        qwen2("qwen2.5-1.5b", 1536, 8960, layers: 28, heads: 12, 2, ties: true),
        qwen2("qwen2.5-7b", 3584, 18944, layers: 28, heads: 28, 4, vocabulary: 152_064),
        qwen2("qwen2.5-14b", 5120, 13824, layers: 48, heads: 40, 8, vocabulary: 152_064),
        qwen2("qwen2.5-32b", 5120, 27648, layers: 64, heads: 40, 8, vocabulary: 152_064),
        qwen2("qwen2.5-72b", 8192, 29568, layers: 80, heads: 64, 8, vocabulary: 152_064),
        qwen3("qwen3-0.6b", 1024, 3072, layers: 28, heads: 16, 8, ties: true),
        qwen3("qwen3-8b", 4096, 12288, layers: 36, heads: 32, 8),
        qwen3("qwen3-14b", 5120, 17408, layers: 40, heads: 40, 8),
        qwen3("qwen3-32b", 5120, 25600, layers: 64, heads: 64, 8),
        qwen3(
            "qwen3-30b-a3b", 2048, 6144, layers: 48, heads: 32, 4, family: "qwen3_moe",
            more: #""num_experts": 128, "num_experts_per_tok": 8, "moe_intermediate_size": 768"#),
        llama("phi-3-mini", 3072, 8192, layers: 32, heads: 32, 32, context: 4096, vocabulary: 32064, family: "phi3"),
        llama("phi-4", 5120, 17920, layers: 40, heads: 40, 10, context: 16384, vocabulary: 100_352, family: "phi3"),
        llama(
            "gemma-2-2b", 2304, 9216, layers: 26, heads: 8, 4, context: 8192, vocabulary: 256_000, ties: true, family: "gemma2",
            more: #""head_dim": 256"#),
        llama(
            "gemma-3-1b", 1152, 6912, layers: 26, heads: 4, 1, context: 32768, vocabulary: 262_144, ties: true, family: "gemma3_text",
            more: #""head_dim": 256"#),
        PublishedShape(
            "gpt2-xl",
            #""model_type": "gpt2", "vocab_size": 50257, "n_embd": 1600, "n_layer": 48, "n_head": 25, "n_positions": 1024, "dtype": "float32""#),
        PublishedShape(
            "bloom-1b7",
            #""model_type": "bloom", "vocab_size": 250880, "n_embed": 2048, "n_layer": 24, "num_attention_heads": 16, "dtype": "float16""#),
        PublishedShape(
            "opt-6.7b",
            """
            "model_type": "opt", "vocab_size": 50272, "hidden_size": 4096, "ffn_dim": 16384, "num_hidden_layers": 32, "num_attention_heads": 32,
            "max_position_embeddings": 2048, "dtype": "float16"
            """),
    ]

    private init(_ name: String, _ fields: String) { (self.name, self.fields) = (name, fields) }

    /// - Parameters:
    ///   - width, innerWidth: of the residual stream and in the feed-forward layers.
    ///   - groups: key and value heads.
    private static func llama(
        _ name: String, _ width: Int, _ innerWidth: Int, layers: Int, heads: Int, _ groups: Int, context: Int, vocabulary: Int, ties: Bool = false,
        type: String = "bfloat16", family: String = "llama", more: String? = nil
    ) -> PublishedShape {
        PublishedShape(
            name,
            """
            "model_type": "\(family)", "vocab_size": \(vocabulary), "hidden_size": \(width), "intermediate_size": \(innerWidth),
            "num_hidden_layers": \(layers), "num_attention_heads": \(heads), "num_key_value_heads": \(groups),
            "max_position_embeddings": \(context), "tie_word_embeddings": \(ties), "dtype": "\(type)"\(more.map { ", \($0)" } ?? "")
            """)
    }

    private static func qwen2(
        _ name: String, _ width: Int, _ innerWidth: Int, layers: Int, heads: Int, _ groups: Int, vocabulary: Int = 151_936, ties: Bool = false
    ) -> PublishedShape {
        llama(name, width, innerWidth, layers: layers, heads: heads, groups, context: 32768, vocabulary: vocabulary, ties: ties, family: "qwen2")
    }

    private static func qwen3(
        _ name: String, _ width: Int, _ innerWidth: Int, layers: Int, heads: Int, _ groups: Int, ties: Bool = false, family: String = "qwen3",
        more: String? = nil
    ) -> PublishedShape {
        llama(
            name, width, innerWidth, layers: layers, heads: heads, groups, context: 40960, vocabulary: 151_936, ties: ties, family: family,
            more: #""head_dim": 128"# + (more.map { ", \($0)" } ?? ""))
    }
}
