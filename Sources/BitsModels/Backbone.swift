public import BitsCore
public import BitsNN

// Shapes: B = batch, T = tokens, D = model width, V = vocabulary.

/// What a family of models has of its own: the way from tokens to hidden states. A task puts a head on it, see ``TaskModel``.
public protocol Backbone: Module {
    /// Tokens that the model was made for.
    var contextLength: Int { get }
    /// The table of token vectors, [V, D]; a head may share it.
    var embedding: any EmbeddingLayer { get }
    /// What a cache keeps of a token; nil where tokens see those after them, so that nothing computed before holds when there is one more.
    var cacheLayout: CacheLayout? { get }

    /// Whether a backward pass runs each block but the last again instead of keeping what is computed in it (``BitsCore/checkpointed(_:)``); off at first.
    var recomputesBlocks: Bool { get set }

    /// The final hidden states [B, T, D] of `tokens`, after the last norm.
    ///
    /// - Parameters:
    ///   - dtype: what flows from layer to layer, and the result's type.
    ///   - cache: what `tokens` continue; they are added to it.
    func hiddenStates(_ tokens: TokenBatch, dtype: DType, cache: KeyValueCache?) -> Tensor

    /// What stands for a sequence in its classification, [S, D], given the hidden states [S, D] of the token that its family chooses.
    func summary(_ hidden: Tensor) -> Tensor
    /// What the names of the layers begin with that ``summary(_:)`` alone uses, within the backbone; nil without such layers. A checkpoint that was made for
    /// another task may lack them.
    var summaryPath: String? { get }
}

extension Backbone {
    public var cacheLayout: CacheLayout? { nil }
    public func summary(_ hidden: Tensor) -> Tensor { hidden }
    public var summaryPath: String? { nil }
}

extension Tensor {
    /// The residual stream [B, T, D] behind all of `blocks`, of which `run` does one.
    ///
    /// - Parameter recomputes: whether a backward pass runs blocks again, all but the last: it begins with that, whose inside would be there again before
    ///   the rest has made room.
    func passed<Block>(through blocks: [Block], recomputes: Bool, run: @escaping (_ block: Block, _ x: Tensor, _ layer: Int) -> Tensor) -> Tensor {
        blocks.enumerated().reduce(self) { x, block in
            let runBlock = { run(block.element, $0, block.offset) }
            return recomputes && block.offset < blocks.count - 1 ? checkpointed(x, runBlock) : runBlock(x)
        }
    }
}

/// The sizes of the keys and values that a cache keeps of a token.
public struct CacheLayout: Sendable, Equatable {
    public var layers: Int
    /// Key and value heads.
    public var heads: Int
    public var headWidth: Int
    /// What the keys and values of a token depend on, beside the text up to it.
    public var lengthDependence: RotaryEmbedding.LengthDependence

    public init(layers: Int, heads: Int, headWidth: Int, lengthDependence: RotaryEmbedding.LengthDependence = .nothing) {
        self.layers = layers
        self.heads = heads
        self.headWidth = headWidth
        self.lengthDependence = lengthDependence
    }
}
