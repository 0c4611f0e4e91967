public import BitsCore

/// A model's `config.json`.
///
/// A model family reads the fields that it needs from ``fields``; those that nobody reads survive when the file is written again.
public struct ModelConfiguration: Sendable, Equatable {
    public var fields: ConfigurationFields
    /// The family: `llama`, `gpt2`, ...
    public let modelType: String

    /// - Throws: ``ModelFileError/malformed(path:_:)`` when there is no `model_type`.
    public init(_ fields: ConfigurationFields) throws(ModelFileError) {
        self.fields = fields
        modelType = try fields.require("model_type")
    }

    /// Reads `config.json`.
    public init(_ folder: ModelFolder) throws(ModelFileError) {
        try self.init(ConfigurationFields(folder.file("config.json")))
    }

    /// The type that the weights were saved in: `dtype`, or `torch_dtype` as older files have it; nil when neither is there.
    public var dtype: DType? {
        get throws(ModelFileError) {
            for key in ["dtype", "torch_dtype"] {
                guard let name = try fields.optional(key, as: String.self) else { continue }
                guard let dtype = DType(rawValue: name), dtype.isFloatingPoint else {
                    throw .unsupported(path: fields.path, "has '\(key)' \(name); one of float32, float16, bfloat16 was expected")
                }
                return dtype
            }
            return nil
        }
    }

    /// The labels of a classifier: as many as `id2label` names, else `num_labels`, else 2.
    public var labelCount: Int {
        get throws(ModelFileError) {
            let named = try fields.section("id2label")?.object.keys.count ?? 0
            return named > 0 ? named : try fields.count("num_labels", default: 2)
        }
    }

    /// How the checkpoint is quantized; nil when it is not.
    public var quantization: BitsAndBytesConfig? {
        get throws(ModelFileError) {
            guard let section = try fields.section("quantization_config") else { return nil }
            return try BitsAndBytesConfig(section)
        }
    }

    /// Sets or removes `quantization_config`; other fields stay as they are.
    public mutating func setQuantization(_ quantization: BitsAndBytesConfig?) {
        if let quantization {
            fields.object.insert(quantization.json, forKey: "quantization_config")
        } else {
            fields.object["quantization_config"] = nil
        }
    }

    /// Records the type that the weights are saved in.
    public mutating func setDType(_ dtype: DType) {
        fields.object.insert(.string(dtype.rawValue), forKey: fields.contains("torch_dtype") ? "torch_dtype" : "dtype")
    }

    /// The contents of `config.json`, as transformers writes it.
    public var json: JSONValue { .object(fields.object) }
}
