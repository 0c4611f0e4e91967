public import BitsCore

/// Models without weights: every name and shape is there, no memory is taken. They are filled by ``Module/loadAndQuantize(to:embeddings:skipping:dtype:keepingFloat32:device:from:)``.
extension Parameter {
    /// A parameter of `shape` that takes no memory until it is given a value. Frozen, and zero where it is read.
    public static func placeholder(_ shape: [Int]) -> Parameter { Parameter(Tensor.zeros([1]).broadcast(to: shape), isTrainable: false) }
}

/// A source of layers without weights, for a model that is filled later or only looked at.
public final class EmptyWeights: WeightSource {
    public init() {}

    public func linear(_ path: String, inFeatures: Int, outFeatures: Int, bias: Bool) -> LinearLayer {
        Linear(weight: .placeholder([outFeatures, inFeatures]), bias: bias ? .placeholder([outFeatures]) : nil)
    }

    public func parameter(_ path: String, shape: [Int]) -> Parameter { .placeholder(shape) }

    public func tiedHead(_ embedding: Embedding) -> LinearLayer { Linear(weight: embedding.weight) }
}
