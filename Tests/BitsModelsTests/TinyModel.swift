import BitsCore
import BitsIO
import BitsKernels
import BitsSystem
import BitsModels
import BitsNN
import _BitsTestSupport

/// A Llama small enough for a test, with random weights from a seed: normal, those of norms around 1.
enum TinyModel {
    static var configuration: LlamaConfiguration {
        var configuration = LlamaConfiguration(
            vocabularySize: 40, width: 32, innerWidth: 48, layers: 2, heads: 4, keyValueHeads: 2, contextLength: 24)
        (configuration.hasAttentionBias, configuration.hasAttentionOutputBias) = (true, true)
        return configuration
    }

    static func llama(
        _ configuration: LlamaConfiguration = configuration, tiesEmbeddings: Bool = false, seed: UInt64 = 1, device: Device = .cpu
    ) -> CausalLanguageModel {
        let model = Llama.languageModel(configuration, tiesEmbeddings: tiesEmbeddings)
        var generator = RandomGenerator(seed: seed)
        for (path, parameter) in model.namedParameters() {
            let mean: Float = parameter.shape.count == 1 && !path.hasSuffix("bias") ? 1 : 0
            parameter.value = .normal(parameter.shape, mean: mean, standardDeviation: 0.3, using: &generator, device: device)
        }
        return model
    }

    /// `config.json` of ``configuration``, with the fields of `changes` set, or removed where they are nil.
    static func configurationText(_ changes: [String: String?] = [:]) -> String {
        var fields: [String: String] = [
            "model_type": "\"llama\"", "vocab_size": "40", "hidden_size": "32", "intermediate_size": "48", "num_hidden_layers": "2",
            "num_attention_heads": "4", "num_key_value_heads": "2", "max_position_embeddings": "24", "attention_bias": "true", "rms_norm_eps": "1e-6",
        ]
        for (key, value) in changes { fields[key] = value }
        return "{" + fields.sorted { $0.key < $1.key }.map { "\"\($0.key)\": \($0.value)" }.joined(separator: ", ") + "}"
    }

    /// The weights of ``llama(_:tiesEmbeddings:seed:device:)`` under their names.
    static var tensors: [String: Tensor] {
        Dictionary(uniqueKeysWithValues: llama().namedParameters().map { ($0.path, $0.parameter.value) })
    }
}

/// A model's folder for one test, removed with what is in it.
final class TinyFolder {
    let path: String
    private let folder: TemporaryFolder

    init(configuration: String = TinyModel.configurationText(), tensors: [String: Tensor]? = TinyModel.tensors) throws {
        folder = try TemporaryFolder()
        path = folder.path
        try AtomicFile.write(Array(configuration.utf8), to: "\(path)/config.json")
        if let tensors { try SafetensorsFile.write(tensors, to: "\(path)/model.safetensors") }
    }

    func load(_ options: LoadOptions = LoadOptions()) throws(ModelFileError) -> LoadedModel {
        try LoadedModel(ModelFolder(path: path), options: options)
    }

    /// What loading says went wrong; nil when it did not.
    func problem(_ options: LoadOptions = LoadOptions()) -> String? {
        do {
            _ = try load(options)
            return nil
        } catch { return error.description }
    }
}
