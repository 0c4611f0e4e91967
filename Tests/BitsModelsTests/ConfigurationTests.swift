import BitsCore
import BitsIO
import BitsModels
import BitsNN
import Testing

/// Configurations as nobody writes them: each is a model that runs, or one error.
@Suite("Configurations")
struct ConfigurationTests {
    /// What a field may hold instead. A field that may hold the first one is not read.
    private static let values: [JSONValue] = [
        "x", .null, true, 0, 1, 3, 64, -1, 1.5, 1e-30, 1e30, .number(JSONNumber(Int.max)), [], [1], ["x"], ["factor": 2],
    ]

    /// Fields that families read though their smallest configurations lack them.
    private static let others = [
        "_remove_final_layer_norm", "activation_function", "apply_residual_connection_post_layernorm", "architectures", "attention_bias",
        "attention_multiplier", "attn_logit_softcapping", "decoder_sparse_step", "do_layer_norm_before", "dtype", "enable_bias", "ffn_dim",
        "final_logit_softcapping", "head_dim", "hidden_act", "hidden_activation", "id2label", "layer_norm_eps", "layer_norm_epsilon", "layer_types",
        "legacy", "max_relative_positions", "max_window_layers", "mlp_bias", "mlp_only_layers", "n_inner", "norm_topk_prob",
        "num_key_value_heads", "num_labels", "original_max_position_embeddings", "pad_token_id", "partial_rotary_factor",
        "position_embedding_type", "quantization_config", "query_pre_attn_scalar", "rms_norm_eps", "rope_local_base_freq", "rope_parameters",
        "rope_scaling", "rope_theta", "scale_attn_by_inverse_layer_idx", "scale_attn_weights", "sliding_window", "sliding_window_pattern",
        "tie_word_embeddings", "torch_dtype", "type_vocab_size", "use_sliding_window", "word_embed_proj_dim",
    ]

    private static let configurations: [JSONObject] =
        TinyFamily.all.map { family in
            guard case .object(let object) = try? JSONValue(parsing: Array(family.configuration.utf8)) else { return [:] }
            return object
        } + ["bert", "roberta", "xlm-roberta"].map { TinyEncoders.merged(["model_type": .string($0)]) } + [TinyEncoders.merged(TinyEncoders.deberta)]

    @Test("Whatever a field holds, what comes is a model that runs or an error that says why", arguments: configurations)
    func fields(configuration: JSONObject) throws {
        var (models, errors) = (0, 0)
        for key in Set(configuration.keys + Self.others).sorted() where key != "model_type" {
            for (index, value) in Self.values.enumerated() {
                var changed = configuration
                changed.insert(value, forKey: key)
                do {
                    try run(ModelRegistry.model(ModelConfiguration(ConfigurationFields(changed, path: "config.json"))))
                    models += 1
                    if index == 0 { break }
                } catch let error as ModelFileError {
                    #expect(error.description.contains("config.json"), "\(key) \(value.compactText)")
                    errors += 1
                }
            }
        }
        #expect(models > 30 && errors > 100)
    }

    /// Gives one token to a model with random weights, unless it would be large.
    private func run(_ model: BackboneModel) throws {
        let plan = ModelPlan(model)
        guard plan.entries.allSatisfy({ $0.shape.allSatisfy { $0 < 1000 } }) else { return }
        try model.load(from: RandomWeights(for: model, using: RandomGenerator(seed: 1)))
        _ = try noGradient { try model.hiddenStates(TokenBatch([0])).floats() }
    }
}

extension TinyEncoders {
    /// ``sizes`` with `fields`.
    fileprivate static func merged(_ fields: JSONObject) -> JSONObject {
        fields.keys.reduce(into: sizes) { object, key in
            if let value = fields[key] { object.insert(value, forKey: key) }
        }
    }
}
