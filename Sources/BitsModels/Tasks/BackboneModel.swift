public import BitsCore
public import BitsNN

// Shapes: B = batch, T = tokens, D = model width, S = sequences.

/// A backbone and the number types that it computes in: what every model has, whether there is a head on it (``TaskModel``) or none (``FeatureExtractor``).
public class BackboneModel: Module {
    @Child public internal(set) var backbone: any Backbone
    private let token: SummaryToken

    /// The number types that the model computes in. Setting them changes every layer.
    public var policy = ComputePolicy.float32 {
        didSet { apply(policy) }
    }

    /// - Parameter name: under which checkpoints have the backbone's entries; empty where nothing stands before them.
    init(_ parts: TaskParts, named name: String) {
        _backbone = Child(name)
        token = parts.summary
        super.init()
        backbone = parts.backbone
    }

    public override var checkpointNames: CheckpointNames { backbone.checkpointNames }

    /// Whether a backward pass runs each block but the last again instead of keeping what is computed in it: less memory, up to a third more time.
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

    /// What stands for each sequence, [S, D]: what the backbone makes of the hidden state of the token that its family chooses, BERT's pooled output say.
    public func summaries(_ tokens: TokenBatch) -> Tensor { backbone.summary(hiddenStates(tokens, of: token)) }

    /// The final hidden states [S, D] of a token of each sequence.
    func hiddenStates(_ tokens: TokenBatch, of token: SummaryToken, cache: KeyValueCache? = nil) -> Tensor {
        precondition(!tokens.sequences.contains { $0.isEmpty }, "an empty sequence among \(tokens.sequences.count)")
        let hidden = hiddenStates(tokens, cache: cache)
        // The last column: a step of generation sends nothing to the device to find it.
        if token == .last && tokens.endsRows { return hidden.narrowed(axis: 1, to: tokens.length - 1..<tokens.length).reshaped(tokens.batch, -1) }
        let places = tokens.sequences.map { Int32(token == .first ? $0.lowerBound : $0.upperBound - 1) }
        return hidden.reshaped(tokens.batch * tokens.length, -1).rows(Tensor(places, device: computeDevice))
    }
}

/// A backbone alone: what a checkpoint without a head holds, `BertModel` say.
///
/// In such a checkpoint nothing stands before the names of the backbone's entries; one with a head is read too, and what is the head's left.
public final class FeatureExtractor: BackboneModel, RegisteredTask {
    public static let task = ModelTask.featureExtraction
    private let backboneName: String

    public init(_ parts: TaskParts) {
        backboneName = parts.backboneName
        super.init(parts, named: "")
    }

    public override var checkpointNames: CheckpointNames {
        var names = super.checkpointNames
        names.addedPrefix = "\(backboneName)."
        return names
    }
}
