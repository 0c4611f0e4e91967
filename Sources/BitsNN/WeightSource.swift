public import BitsCore

/// Where a model being built gets its layers from: a checkpoint, a random initialization, or a plan that only notes names and shapes.
///
/// Models ask for what they need by name and shape and know nothing of precision; the source decides whether a linear layer comes in 4 bits.
public protocol WeightSource: AnyObject {
    /// The linear layer whose entries begin with `path`.
    func linear(_ path: String, inFeatures: Int, outFeatures: Int, bias: Bool) -> LinearLayer
    /// The parameter `path`.
    func parameter(_ path: String, shape: [Int]) -> Parameter
    /// The output head of a model that shares its weight with `embedding`.
    func tiedHead(_ embedding: Embedding) -> LinearLayer
}

/// A source at a place in the tree of names.
public struct WeightScope {
    public let source: any WeightSource
    public let path: String

    public init(_ source: any WeightSource, path: String = "") {
        self.source = source
        self.path = path
    }

    /// The place `name` below this one.
    public subscript(_ name: String) -> WeightScope { WeightScope(source, path: full(name)) }

    /// The linear layer `name` below this place.
    public func linear(_ name: String, inFeatures: Int, outFeatures: Int, bias: Bool = false) -> LinearLayer {
        source.linear(full(name), inFeatures: inFeatures, outFeatures: outFeatures, bias: bias)
    }

    /// The parameter `name` below this place.
    public func parameter(_ name: String, shape: [Int]) -> Parameter { source.parameter(full(name), shape: shape) }

    private func full(_ name: String) -> String { path.isEmpty ? name : "\(path).\(name)" }
}
