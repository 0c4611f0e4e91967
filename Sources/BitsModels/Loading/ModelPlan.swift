public import BitsIO
import BitsCore
import BitsNN

/// What a model is made of, by names and shapes alone: no weight is read, no memory taken.
public struct ModelPlan: Sendable {
    /// A checkpoint's entry.
    public struct Entry: Sendable, Equatable {
        public let name: String
        public let shape: [Int]
    }

    /// A linear layer.
    public struct Layer: Sendable, Equatable {
        public let path: String
        public let weight: Entry
        public let bias: Entry?
    }

    /// The linear layers, in the model's order.
    public let layers: [Layer]
    /// All other parameters.
    public let parameters: [Entry]
    /// Whether the output head has no weight of its own.
    public let tiesHead: Bool
    /// The layers that a quantization leaves as they are unless it is told otherwise: path and reason.
    public let keptByDefault: [String: String]

    /// - Throws: ``ModelFileError`` for an unknown family or a configuration that is not in order.
    public init(_ configuration: ModelConfiguration) throws(ModelFileError) {
        let source = PlanningSource()
        let model = try ModelRegistry.model(configuration, from: source)
        keptByDefault = model.keptByDefault
        layers = source.layers
        parameters = source.parameters
        tiesHead = source.tiesHead
    }

    /// Every entry that the model asks an unquantized checkpoint for.
    public var entries: [Entry] { layers.flatMap { [$0.weight] + ($0.bias.map { [$0] } ?? []) } + parameters }

    /// The reason why a head without a weight of its own stays as it is.
    package static let tiedHead = (path: "lm_head", reason: "shares its weight with the embedding")
}

/// Notes what a model asks for, and gives it zeros that take no memory.
private final class PlanningSource: WeightSource {
    var layers: [ModelPlan.Layer] = []
    var parameters: [ModelPlan.Entry] = []
    var tiesHead = false

    func linear(_ path: String, inFeatures: Int, outFeatures: Int, bias: Bool) -> LinearLayer {
        let weight = ModelPlan.Entry(name: "\(path).weight", shape: [outFeatures, inFeatures])
        let bias = bias ? ModelPlan.Entry(name: "\(path).bias", shape: [outFeatures]) : nil
        layers.append(ModelPlan.Layer(path: path, weight: weight, bias: bias))
        return Linear(weight: placeholder(weight.shape), bias: bias.map { placeholder($0.shape) })
    }

    func parameter(_ path: String, shape: [Int]) -> Parameter {
        parameters.append(ModelPlan.Entry(name: path, shape: shape))
        return placeholder(shape)
    }

    func tiedHead(_ embedding: Embedding) -> LinearLayer {
        tiesHead = true
        return Linear(weight: embedding.weight)
    }

    private func placeholder(_ shape: [Int]) -> Parameter { .placeholder(shape) }
}
