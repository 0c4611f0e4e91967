import BitsCore
import BitsIO
import BitsModels
import BitsNN

/// Tells a model from others of its shapes, by vectors of its vocabulary: they stay as they are when its layers are quantized.
enum BaseModelCheck {
    /// What it is called among the metadata of an adapter's file, which PEFT does not look at.
    static let key = "base_model_check"

    /// Vectors that are looked at.
    private static let most = 64

    /// nil for a model whose table is quantized, or that has no weights yet.
    static func value(of model: TaskModel) throws(DeviceError) -> String? {
        var table = model.backbone.embedding
        while let adapted = table as? LoRAEmbedding { table = adapted.base }
        guard let weight = (table as? Embedding)?.weight.value, weight.isContiguous, weight.count > 0 else { return nil }
        let count = min(most, weight.shape[0])
        let places = (0..<count).map { Int32($0 * (weight.shape[0] / count)) }
        let vectors = noGradient { weight.rows(Tensor(places, device: weight.device), dtype: .float32) }
        var check = CRC32C()
        check.append(try vectors.bytes())
        return String(check.value, radix: 16)
    }
}
