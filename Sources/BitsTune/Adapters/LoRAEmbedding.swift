public import BitsCore
public import BitsNN

// Shapes: V = vocabulary, D = width of a vector, R = rank.

/// An embedding with a trained low-rank update: `base(ids) + scale * Aᵀ[ids] · Bᵀ`.
///
/// A head that shares the table multiplies with the base layer's, as in PEFT: the update is of the vectors alone. Nothing is dropped.
/// Reference: PEFT's `lora.Embedding`.
public final class LoRAEmbedding: Module, EmbeddingLayer, LoRALayer, RoundingLayer {
    @Child("base_layer") public var base: any EmbeddingLayer
    /// A, [R, V]
    @Weight("lora_embedding_A") public var down: Parameter
    /// B, [D, R]
    @Weight("lora_embedding_B") public var up: Parameter
    /// DoRA: the norms of the columns of the adapted table, [D].
    @Weight("lora_magnitude_vector") public var magnitude: Parameter?
    public let scale: Float
    public var share: Float = 1
    /// What the update's product rounds its operands to; see ``BitsNN/RoundingLayer``.
    public var computeDType: DType? = .float32
    public var dropoutSource: RandomGenerator?
    private var rowNorms = RowNorms()

    public init(base: any EmbeddingLayer, down: Parameter, up: Parameter, magnitude: Parameter? = nil, scale: Float) {
        LoRAEmbedding.check(
            down: down, up: up, upBias: nil, magnitude: magnitude, inFeatures: base.vocabularySize, outFeatures: base.width)
        self.scale = scale
        super.init()
        self.base = base
        self.down = down
        self.up = up
        self.magnitude = magnitude
    }

    public var vocabularySize: Int { down.shape[1] }
    public var width: Int { up.shape[0] }
    public var upBias: Parameter? { nil }
    public var start: LoRAFactors? { nil }

    /// The layer below all adapters.
    var root: any EmbeddingLayer { (base as? LoRAEmbedding)?.root ?? base }

    public func callAsFunction(_ ids: Tensor, dtype: DType?) -> Tensor {
        let vectors = base(ids, dtype: dtype)  // [.., D]
        guard share != 0 else { return vectors }
        let table = root as? Embedding
        let narrow = down.tensor.transposed().rows(
            ids, dtype: .float32, paddingIndex: table?.paddingIndex, averagesGradient: table?.averagesGradient ?? false)  // [.., R]
        var sum = vectors + narrow.linear(up.tensor, computeDType: computeDType ?? vectors.dtype) * (scale * share)
        if let magnitude { sum = sum * (magnitude.tensor / norms) }
        return sum.cast(to: vectors.dtype)
    }

    /// The norms of the columns that the magnitudes take the place of, [D].
    var norms: Tensor {
        rowNorms.norms(of: self, scale: scale * share, base: root) { root.table(.float32).transposed() }
    }

    /// The base layer's table, which a head that shares it multiplies with.
    public func table(_ dtype: DType?) -> Tensor { base.table(dtype) }

    public func scores(_ x: Tensor, computeDType: DType?) -> Tensor { base.scores(x, computeDType: computeDType) }

    /// The vectors of all ids, updates included, [V, D] in float32.
    var adaptedTable: Tensor {
        let ids = Tensor((0..<vocabularySize).map { Int32($0) }, device: down.device)
        let table = (base as? LoRAEmbedding)?.adaptedTable ?? base(ids, dtype: .float32)
        let sum = added(to: table.transposed()).transposed()
        guard let magnitude, share != 0 else { return sum }
        return sum * (magnitude.tensor / norms)
    }
}
