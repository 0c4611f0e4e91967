public import BitsCore
public import BitsNN

// Shapes: B = batch, T = tokens, D = model width.

/// A backbone with a head on it: what a checkpoint of a task holds. The tasks are the classes below this one, each with the loss that it is trained by.
public class TaskModel: Module {
    @Child public internal(set) var backbone: any Backbone
    @Child public internal(set) var head: any Head
    private let backboneName: String
    private let headName: String

    /// The number types that the model computes in. Setting them changes every layer.
    public var policy = ComputePolicy.float32 {
        didSet { apply(policy) }
    }

    /// A model of its parts, each under its name in checkpoints.
    public init(_ parts: TaskParts) {
        _backbone = Child(parts.backboneName)
        _head = Child(parts.headName)
        (backboneName, headName) = (parts.backboneName, parts.headName)
        super.init()
        backbone = parts.backbone
        head = parts.head
    }

    public override var outputHeads: [any LinearLayer] { [head.output] }

    public override var checkpointNames: CheckpointNames {
        var names = backbone.checkpointNames
        // A checkpoint of the backbone alone has its entries without its name.
        if names.optionalPrefix.isEmpty { names.optionalPrefix = "\(backboneName)." }
        // Some checkpoints hold a copy of a head that is tied.
        if head is TiedLinear { names.unused.append("\(headName).weight") }
        return names
    }

    /// Whether a backward pass runs each block again instead of keeping what is computed in it: less memory, about a third more time.
    public var recomputesBlocks: Bool {
        get { backbone.recomputesBlocks }
        set { backbone.recomputesBlocks = newValue }
    }

    /// Where the model computes: with its table of token vectors.
    public var computeDevice: Device { backbone.embedding.device ?? .cpu }
    public var vocabularySize: Int { backbone.embedding.vocabularySize }
    /// Tokens that the model was made for.
    public var contextLength: Int { backbone.contextLength }

    /// The final hidden states [B, T, D] of `tokens`. With a cache, `tokens` continue what it holds, and are added to it.
    public func hiddenStates(_ tokens: TokenBatch, cache: KeyValueCache? = nil) -> Tensor {
        backbone.hiddenStates(tokens, dtype: policy.activations, cache: cache)
    }
}
