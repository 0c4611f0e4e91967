import BitsCore
import BitsIO

extension ModelFamily {
    /// Mistral 7B and what is built like it (Jiang et al. 2023, arXiv:2310.06825): Llama, but that tokens see no farther back than a window.
    static let mistral = ModelFamily("mistral", backbone: "model", heads: llama.heads) { (configuration) throws(ModelFileError) in
        var sizes = try LlamaConfiguration(configuration)
        sizes.window = try configuration.fields.count("sliding_window", orUnlessNull: 4096)  // not there, it is that of the first model
        return Llama(sizes)
    }
}
