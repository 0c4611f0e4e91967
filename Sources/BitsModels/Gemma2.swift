import BitsCore
import BitsIO

// Gemma 2 (Gemma team 2024, arXiv:2408.00118): the scores of attention and of the head are bounded, and every second layer sees a window.

extension GemmaConfiguration {
    /// Reads the fields of `gemma2`.
    init(gemma2 configuration: ModelConfiguration) throws(ModelFileError) {
        try self.init(configuration, scoreCap: 50, headCap: 30)
        sizes.windowlessLayers = try configuration.fields.fullLayers(of: sizes.layers) { $0 % 2 == 1 }
    }
}

extension ModelFamily {
    static let gemma2 = ModelFamily("gemma2", backbone: "model", heads: Gemma.heads) { (configuration) throws(ModelFileError) in
        Gemma(try GemmaConfiguration(gemma2: configuration))
    }
}
