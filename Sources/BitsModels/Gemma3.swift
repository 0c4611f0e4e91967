import BitsCore
import BitsIO
import BitsNN

// Gemma 3 (Gemma team 2025, arXiv:2503.19786), the models of text: queries and keys are normed, and most layers see a window, with angles of their own.

extension GemmaConfiguration {
    /// Reads the fields of `gemma3_text`.
    init(gemma3 configuration: ModelConfiguration) throws(ModelFileError) {
        try self.init(configuration, scoreCap: nil, headCap: nil)
        let fields = configuration.fields
        sizes.normsQueriesAndKeys = true
        let pattern = try fields.count("sliding_window_pattern", default: 6)
        sizes.windowlessLayers = try fields.fullLayers(of: sizes.layers) { ($0 + 1) % pattern == 0 }
        let nested = try fields.section("rope_parameters")
        let whole = try fields.contains("rope_scaling") ? fields.section("rope_scaling") : nested?.section("full_attention")
        let (headWidth, context) = (sizes.headWidth, sizes.contextLength)
        sizes.rotary = try RotaryEmbedding(whole, in: fields, headWidth: headWidth, contextLength: context, theta: 1_000_000)
        windowRotary = try RotaryEmbedding(
            nested?.section("sliding_attention"), in: fields, headWidth: headWidth, contextLength: context, theta: 10_000,
            thetaKey: "rope_local_base_freq")
    }
}

extension ModelFamily {
    static let gemma3 = ModelFamily("gemma3_text", backbone: "model", heads: Gemma.heads) { (configuration) throws(ModelFileError) in
        Gemma(try GemmaConfiguration(gemma3: configuration))
    }
}
