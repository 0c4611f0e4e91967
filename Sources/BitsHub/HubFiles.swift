internal import BitsIO

/// Which of a repository's files a model needs.
enum HubFiles {
    private static let configurations: Set<String> = [
        "config.json", "generation_config.json", "tokenizer.json", "tokenizer_config.json", "special_tokens_map.json", "added_tokens.json",
        "vocab.json",
        "merges.txt", "vocab.txt", "tokenizer.model", "spiece.model", "sentencepiece.bpe.model", "spm.model", "tekken.json", "chat_template.json",
        "chat_template.jinja",
        "adapter_config.json",
    ]
    static let index = "model.safetensors.index.json"
    private static let binaryIndex = "pytorch_model.bin.index.json"

    /// What is read before weights: small files.
    static func settings(among names: [String]) -> [String] {
        names.filter {
            configurations.contains($0) || $0.hasSuffix(".tiktoken") && !$0.contains("/")
                || $0.hasPrefix("additional_chat_templates/") && $0.hasSuffix(".jinja")
        } + (weightIndex(among: names).map { [$0] } ?? [])
    }

    /// The index of weights in several files, where that is how they are there.
    static func weightIndex(among names: [String]) -> String? {
        if names.contains("model.safetensors") { return nil }
        if names.contains(index) { return index }
        return names.contains("pytorch_model.bin") ? nil : names.contains(binaryIndex) ? binaryIndex : nil
    }

    /// The files of weights: safetensors rather than what PyTorch pickles, one file rather than several.
    ///
    /// - Parameter contents: of the index, where there is one.
    static func weights(among names: [String], index contents: [UInt8]?, path: String) throws(ModelFileError) -> [String] {
        var files = ["model.safetensors", "adapter_model.safetensors"].filter(names.contains)
        if let contents {
            guard case .object(let fields) = try JSONValue(parsing: contents, path: path), case .object(let map)? = fields["weight_map"] else {
                throw .malformed(path: path, "is no index of weights: it has no 'weight_map'")
            }
            for key in map.keys {
                guard case .string(let file)? = map[key], !file.contains("/"), !file.hasPrefix(".") else {
                    throw .malformed(path: path, "names a file for '\(key)' that is no file of its folder")
                }
                if !files.contains(file) { files.append(file) }
            }
        }
        if files.isEmpty { files = ["pytorch_model.bin", "adapter_model.bin"].filter(names.contains) }
        return files
    }
}
