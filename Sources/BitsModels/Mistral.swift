import BitsCore
import BitsIO

extension ModelFamily {
    /// Mistral 7B and what is built like it (Jiang et al. 2023, arXiv:2310.06825): Llama, but that tokens see no farther back than a window.
    static let mistral = ModelFamily("mistral", backbone: "model", heads: llama.heads) { (configuration) throws(ModelFileError) in
        var sizes = try LlamaConfiguration(configuration)
        let fields = configuration.fields
        // A window that is null is none; one that is not there is that of the first model.
        if fields.contains("sliding_window") || fields.object["sliding_window"] == nil {
            sizes.window = try fields.count("sliding_window", default: 4096)
        }
        return Llama(sizes)
    }
}
