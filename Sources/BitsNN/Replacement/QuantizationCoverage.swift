/// How much of a model a quantization has taken, counted in weights of its linear layers. Output heads, which stay as they are unless they are asked for, and
/// embeddings do not count.
public struct QuantizationCoverage: Sendable, Equatable {
    /// Weights of linear layers that are quantized.
    public let quantized: Int
    /// Weights of all linear layers.
    public let all: Int
    /// The paths of the layers that are not quantized, in the model's order.
    public let left: [String]

    /// - Parameters:
    ///   - layers: of the model's plan.
    ///   - quantized: the paths of those that are.
    package init(_ layers: [ModelPlan.Layer], quantized paths: Set<String>) {
        let linear = layers.filter { $0.role == .linear }
        func count(_ layers: [ModelPlan.Layer]) -> Int { layers.reduce(0) { $0 + $1.weight.shape.reduce(1, *) } }
        all = count(linear)
        quantized = count(linear.filter { paths.contains($0.path) })
        left = linear.map(\.path).filter { !paths.contains($0) }
    }

    /// What `quantization` would take of a model.
    public init(_ plan: ModelPlan, of quantization: ModelQuantization) {
        var selection = LayerSelection(quantization)
        let taken = plan.layers.filter { if case .quantize = selection.choice($0) { true } else { false } }
        self.init(plan.layers, quantized: Set(taken.map(\.path)))
    }

    /// From 0 to 1, which a model without linear layers has.
    public var share: Double { all == 0 ? 1 : Double(quantized) / Double(all) }
}
