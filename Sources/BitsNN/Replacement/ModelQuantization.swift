public import BitsQuant

/// What a quantization makes of a model: of its linear layers, its embeddings and its output head; and which of them it leaves.
public struct ModelQuantization: Sendable, Equatable {
    /// What linear layers become; nil keeps them.
    public var layers: Quantization?
    /// What embeddings become; nil keeps them.
    public var embeddings: Quantization?
    /// What output heads become, which stay as they are unless it is said here or by a skip list. A head that shares its table with an embedding shares
    /// what this makes of it.
    public var head: Quantization?
    /// Layers to leave as they are, see ``ModulePattern``; nil for the defaults, see ``Module/keptByDefault``. A list replaces the defaults, an empty one
    /// leaves nothing out.
    public var skipping: [String]?
    /// What single layers become, by path, in place of all of the above: a layer that is not there stays as it is. nil goes by the kinds of layers.
    public private(set) var choices: [String: Quantization]?

    public init(_ layers: Quantization? = nil, embeddings: Quantization? = nil, head: Quantization? = nil, skipping: [String]? = nil) {
        (self.layers, self.embeddings, self.head, self.skipping) = (layers, embeddings, head, skipping)
    }

    /// A choice for each layer.
    public init(choices: [String: Quantization]) { self.choices = choices }

    /// Whether it leaves everything as it is.
    public var isEmpty: Bool { !takesLayers && embeddings == nil && head == nil }

    /// Whether it says what linear layers become.
    public var takesLayers: Bool { layers != nil || choices?.isEmpty == false }

    /// What `layer` becomes unless it is to be left; nil where nothing is asked of layers like it.
    public func quantization(of layer: ModelPlan.Layer) -> Quantization? {
        if let choices { return choices[layer.path] }
        return switch layer.role {
        case .linear: layers
        case .head: head ?? layers
        case .embedding: layer.isShared ? head ?? embeddings : embeddings
        }
    }
}
