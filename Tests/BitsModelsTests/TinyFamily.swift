import BitsCore
import BitsIO
import BitsModels
import BitsNN
import BitsSystem
import Testing
import _BitsTestSupport

/// A decoder of one family, small enough for a test, with random weights from a seed.
struct TinyFamily: CustomTestStringConvertible, Sendable {
    let modelType: String
    /// What tells it from others of its family.
    var variant = ""
    /// config.json beside `model_type`.
    let fields: [String: String]
    /// Fields without which nothing goes.
    let needed: [String]
    /// Fields with values that make no sense, and what is said of them.
    var senseless: [(field: String, value: String, expected: String)] = []
    /// How many linear layers a quantization takes.
    let linearLayers: Int
    var tiesEmbeddings = false
    /// How many it leaves; an untied head unless given.
    var keptLayers: Int?
    /// Entries of old checkpoints that nobody reads.
    var unused: [(String, Tensor)] = []

    var testDescription: String { variant.isEmpty ? modelType : "\(modelType), \(variant)" }
    var configuration: String { text([:]) }

    /// config.json with the fields of `changes` set, or removed where they are nil.
    func text(_ changes: [String: String?]) -> String {
        var all = fields
        all["model_type"] = "\"\(modelType)\""
        for (key, value) in changes { all[key] = value }
        return "{" + all.sorted { $0.key < $1.key }.map { "\"\($0.key)\": \($0.value)" }.joined(separator: ", ") + "}"
    }

    /// The model, its matrices normal, its norms around 1.
    func model() throws -> CausalLanguageModel {
        guard case .object(let object) = try JSONValue(parsing: Array(configuration.utf8)) else {
            throw ModelFileError.malformed(path: "", "no object")
        }
        let model = try CausalLanguageModel(ModelConfiguration(ConfigurationFields(object, path: "config.json")))
        var generator = RandomGenerator(seed: 1)
        for (path, parameter) in model.namedParameters() {
            let isNorm = parameter.shape.count == 1 && !path.hasSuffix("bias")
            parameter.value = .normal(parameter.shape, mean: isNorm ? 1 : 0, standardDeviation: 0.2, using: &generator)
        }
        return model
    }

    /// The weights as a checkpoint has them.
    func tensors() throws -> [String: Tensor] {
        let (model, names) = (try model(), try model().checkpointNames)
        return Dictionary(
            uniqueKeysWithValues: model.namedParameters().map { path, parameter in
                let isTransposed = path.hasSuffix(".weight") && names.isTransposed(String(path.dropLast(".weight".count)))
                return (path, isTransposed ? parameter.value.transposed().contiguous() : parameter.value)
            })
    }

    func folder() throws -> TinyFolder { try TinyFolder(configuration: configuration, tensors: tensors()) }

    /// The beginning of the backbone's names.
    func backbonePrefix() throws -> String { try model().checkpointNames.optionalPrefix }
}

extension TinyFamily {
    private static let sizes = [
        "vocab_size": "40", "hidden_size": "32", "intermediate_size": "48", "num_hidden_layers": "2", "num_attention_heads": "4",
        "num_key_value_heads": "2", "max_position_embeddings": "24",
    ]
    private static let neededSizes = ["vocab_size", "hidden_size", "intermediate_size", "num_hidden_layers", "num_attention_heads"]

    /// Families like Llama, with seven linear layers a block.
    private static func likeLlama(
        _ modelType: String, _ variant: String = "", _ changes: [String: String] = [:], senseless: [(String, String, String)] = [], ties: Bool = false
    ) -> TinyFamily {
        TinyFamily(
            modelType: modelType, variant: variant, fields: sizes.merging(changes) { $1 }, needed: neededSizes, senseless: senseless,
            linearLayers: 14, tiesEmbeddings: ties)
    }

    static let decoders: Set = [
        "bloom", "gemma2", "gemma3_text", "gpt2", "llama", "mistral", "mixtral", "opt", "phi3", "qwen2", "qwen3", "qwen3_moe",
    ]

    static let all: [TinyFamily] = [
        likeLlama("llama"), likeLlama("mistral", "a window", ["sliding_window": "3"], senseless: [("sliding_window", "0", "sliding_window")]),
        likeLlama("qwen2", "", ["tie_word_embeddings": "true"], ties: true),
        likeLlama(
            "qwen2", "a window from the second layer on",
            ["use_sliding_window": "true", "sliding_window": "3", "max_window_layers": "1"],
            senseless: [
                ("layer_types", "[\"full_attention\"]", "2 were expected"),
                ("layer_types", "[\"full_attention\", \"chunked_attention\"]", "chunked_attention"), ("sliding_window", "-1", "sliding_window"),
            ]),
        likeLlama("qwen3", "", ["head_dim": "16"], senseless: [("head_dim", "15", "even")]),
        likeLlama(
            "llama", "YaRN", ["rope_scaling": #"{"type": "yarn", "factor": 4, "original_max_position_embeddings": 4}"#],
            senseless: [
                (
                    "rope_scaling", #"{"type": "yarn", "factor": 4, "beta_fast": 1, "beta_slow": 2}"#,
                    "beta_slow 2.0, which is not below beta_fast 1.0"
                ),
                ("rope_scaling", #"{"type": "yarn", "factor": -1}"#, "'rope_scaling.factor'; it has -1"),
                ("rope_scaling", #"{"type": "yarn", "factor": 2, "rope_theta": 1}"#, "rope_theta 1.0"),
                ("rope_scaling", #"{"type": "dynamic"}"#, "'rope_scaling.factor'"),
                ("rope_scaling", #"{"type": "dynamic", "factor": 0.5}"#, "from 1"),
            ]),
        TinyFamily(
            modelType: "phi3",
            fields: sizes.merging([
                "partial_rotary_factor": "0.5", "original_max_position_embeddings": "16", "sliding_window": "4",
                "rope_scaling": #"{"type": "longrope", "short_factor": [1, 1.5], "long_factor": [2, 4]}"#,
            ]) { $1 }, needed: neededSizes,
            senseless: [
                ("rope_scaling", #"{"type": "longrope", "short_factor": [1, 1]}"#, "long_factor"),
                ("rope_scaling", #"{"type": "longrope", "short_factor": [1], "long_factor": [1, 1]}"#, "1 numbers as short_factor; 2 were expected"),
                ("rope_scaling", #"{"type": "longrope", "short_factor": [1, 0], "long_factor": [1, 1]}"#, "0.0 in short_factor"),
                ("partial_rotary_factor", "0.4", "rotates 3 of the 8"), ("partial_rotary_factor", "0.1", "rotates 0 of the 8"),
                ("sliding_window", "0", "sliding_window"),
            ], linearLayers: 8),
        likeLlama(
            "gemma2", "",
            [
                "head_dim": "8", "sliding_window": "3", "query_pre_attn_scalar": "16", "attn_logit_softcapping": "1",
                "final_logit_softcapping": "5",
            ],
            senseless: [
                ("attn_logit_softcapping", "-1", "attn_logit_softcapping"), ("final_logit_softcapping", "0", "final_logit_softcapping"),
                ("use_bidirectional_attention", "true", "use_bidirectional_attention"), ("sliding_window", "0", "sliding_window"),
                ("layer_types", "[\"full_attention\"]", "2 were expected"),
            ], ties: true),
        likeLlama(
            "gemma3_text", "",
            [
                "head_dim": "8", "sliding_window": "3", "sliding_window_pattern": "2", "query_pre_attn_scalar": "16", "final_logit_softcapping": "5",
            ],
            senseless: [
                ("attn_logit_softcapping", "0", "attn_logit_softcapping"), ("final_logit_softcapping", "-1", "final_logit_softcapping"),
                ("use_bidirectional_attention", "true", "use_bidirectional_attention"), ("query_pre_attn_scalar", "0", "query_pre_attn_scalar"),
                ("rope_local_base_freq", "0", "'rope_local_base_freq'; it has 0"),
            ], ties: true),
        TinyFamily(
            modelType: "mixtral", fields: sizes.merging(["num_local_experts": "3", "num_experts_per_tok": "2"]) { $1 },
            needed: neededSizes + ["num_local_experts", "num_experts_per_tok"], senseless: [("num_experts_per_tok", "4", "more than the 3 experts")],
            linearLayers: 26, keptLayers: 3),
        TinyFamily(
            modelType: "qwen3_moe",
            fields: sizes.merging([
                "num_experts": "3", "num_experts_per_tok": "3", "moe_intermediate_size": "24", "mlp_only_layers": "[1]", "norm_topk_prob": "true",
            ]) { $1 }, needed: neededSizes + ["num_experts", "num_experts_per_tok", "moe_intermediate_size"],
            senseless: [("decoder_sparse_step", "0", "decoder_sparse_step"), ("mlp_only_layers", "3", "a list")], linearLayers: 4 + 9 + 7,
            keptLayers: 2),
        TinyFamily(
            modelType: "gpt2",
            fields: ["vocab_size": "40", "n_embd": "32", "n_layer": "2", "n_head": "4", "n_positions": "24", "n_inner": "null"],
            needed: ["vocab_size", "n_embd", "n_layer", "n_head", "n_positions"],
            senseless: [
                ("n_head", "5", "does not divide"), ("activation_function", "\"quick\"", "gelu_new"),
                ("add_cross_attention", "true", "add_cross_attention"),
                ("layer_norm_epsilon", "0", "layer_norm_epsilon"), ("n_inner", "0", "n_inner"),
            ],
            linearLayers: 8, tiesEmbeddings: true,
            unused: [("h.0.attn.bias", .ones([1, 1, 24, 24])), ("transformer.h.1.attn.masked_bias", .ones([1]))]),
        TinyFamily(
            modelType: "bloom", fields: ["vocab_size": "40", "n_embed": "24", "n_layer": "2", "n_head": "3", "seq_length": "24"],
            needed: ["vocab_size", "n_head", "n_layer"],
            senseless: [("n_head", "5", "does not divide"), ("n_embed", "0", "n_embed"), ("seq_length", "0", "seq_length")],
            linearLayers: 8, tiesEmbeddings: true),
        opt(""), opt("norms behind and a projection", ["do_layer_norm_before": "false", "word_embed_proj_dim": "16"], linearLayers: 14),
        opt("no biases and no last norm", ["enable_bias": "false", "_remove_final_layer_norm": "true"]),
    ]

    private static func opt(_ variant: String, _ changes: [String: String] = [:], linearLayers: Int = 12) -> TinyFamily {
        let fields = [
            "vocab_size": "40", "hidden_size": "32", "ffn_dim": "48", "num_hidden_layers": "2", "num_attention_heads": "4",
            "max_position_embeddings": "24",
        ]
        let smooth = ["activation_function": "\"gelu\""]  // a slope is measured best where there is no kink
        return TinyFamily(
            modelType: "opt", variant: variant, fields: fields.merging(smooth) { $1 }.merging(changes) { $1 }, needed: fields.keys.sorted(),
            senseless: [("num_attention_heads", "5", "does not divide"), ("layer_norm_elementwise_affine", "false", "norms with weights")],
            linearLayers: linearLayers, tiesEmbeddings: true)
    }
}
