import BitsCore
import BitsIO

// Qwen 2, 2.5 and 3 (Yang et al. 2024, arXiv:2407.10671 and 2025, arXiv:2505.09388): Llama with biases, or with norms, on queries and keys.

extension ModelFamily {
    /// Qwen 2 and 2.5: the projections to queries, keys and values have biases, that of what attention gives has none.
    static let qwen2 = ModelFamily("qwen2", backbone: "model", heads: llama.heads) { (configuration) throws(ModelFileError) in
        var sizes = try LlamaConfiguration(configuration)
        (sizes.hasAttentionBias, sizes.hasAttentionOutputBias) = (true, false)
        try sizes.readQwenWindow(configuration.fields)
        return Llama(sizes)
    }

    /// Qwen 3: queries and keys are normed head by head.
    static let qwen3 = ModelFamily("qwen3", backbone: "model", heads: llama.heads) { (configuration) throws(ModelFileError) in
        var sizes = try LlamaConfiguration(configuration, usualHeadWidth: 128)
        sizes.normsQueriesAndKeys = true
        try sizes.readQwenWindow(configuration.fields)
        return Llama(sizes)
    }
}

extension LlamaConfiguration {
    /// The window, if it is turned on: that of the layers from `max_window_layers` on, where no list says which.
    fileprivate mutating func readQwenWindow(_ fields: ConfigurationFields) throws(ModelFileError) {
        let isOn = try fields.value("use_sliding_window", default: false)
        guard isOn else { return }
        window = try fields.count("sliding_window", orUnlessNull: 4096)
        let first = try fields.value("max_window_layers", default: 28)
        windowlessLayers = try fields.fullLayers(of: layers) { $0 < first }
    }
}
