extension GenerationConfiguration {
    /// Settings of transformers that would change what is generated and are not implemented, with the values that do nothing.
    private static let unimplemented: [(key: String, neutral: [JSONValue])] = [
        ("typical_p", [1, 1.0]), ("top_h", []), ("epsilon_cutoff", [0, 0.0]), ("eta_cutoff", [0, 0.0]),
        ("penalty_alpha", [0, 0.0]), ("no_repeat_ngram_size", [0]), ("encoder_no_repeat_ngram_size", [0]), ("encoder_repetition_penalty", [1, 1.0]),
        ("num_beams", [1]), ("num_beam_groups", [1]), ("num_return_sequences", [1]), ("diversity_penalty", [0, 0.0]), ("min_length", [0]),
        ("min_new_tokens", [0]), ("exponential_decay_length_penalty", []), ("bad_words_ids", [[]]), ("force_words_ids", [[]]), ("constraints", [[]]),
        ("sequence_bias", [[], [:]]), ("suppress_tokens", [[]]), ("begin_suppress_tokens", [[]]), ("forced_bos_token_id", []),
        ("forced_eos_token_id", []), ("guidance_scale", [1, 1.0]), ("dola_layers", []), ("stop_strings", [[]]), ("watermarking_config", []),
    ]

    /// What a user should be told, a line each: settings that are ignored, and tokens that a model with `vocabularySize` tokens does not have.
    package func warnings(vocabularySize: Int) -> [String] {
        let ignored = GenerationConfiguration.unimplemented.filter { setting in
            let value = fields.object[setting.key] ?? .null
            return value != .null && !setting.neutral.contains(value)
        }.map(\.key)
        let tokens = [("bos_token_id", beginToken.map { [$0] } ?? []), ("eos_token_id", endTokens)].flatMap { key, tokens in
            tokens.filter { $0 < 0 || Int($0) >= vocabularySize }.map { "\(key) is \($0), which is no token of the model" }
        }
        return (ignored.isEmpty ? [] : ["generation_config.json sets \(ignored.joined(separator: ", ")), which is not implemented and does nothing"])
            + tokens
    }
}
