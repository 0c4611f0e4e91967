import BitsCore
import BitsIO
import BitsModels
import BitsNN

// Shapes: B = batch, T = tokens, D = model width, H = head width.

/// A family that the library does not know: an encoder as BERT is, with positions and segments of its own and every token seeing its whole sequence.
final class TinyEncoder: Module, Backbone {
    static let width = 16, vocabulary = 30, heads = 2

    static let family = ModelFamily(
        "tiny-encoder", backbone: "encoder",
        heads: [
            .maskedLanguageModeling: HeadRecipe("predictions") { (_, backbone) throws(ModelFileError) in TinyPredictions(backbone) },
            .sequenceClassification: .labels("classifier", bias: true), .tokenClassification: .labels("classifier", bias: true),
        ], summary: .first
    ) { (_) throws(ModelFileError) in TinyEncoder() }

    @Child("words") var embedding: any EmbeddingLayer
    @Child("positions") var positions: any EmbeddingLayer
    @Child("segments") var segments: any EmbeddingLayer
    @Children("layers") var layers: [TinyEncoderLayer]
    @Child("pooler") var pooler: any LinearLayer

    override init() {
        super.init()
        embedding = Embedding(vocabularySize: TinyEncoder.vocabulary, width: TinyEncoder.width)
        positions = Embedding(vocabularySize: 12, width: TinyEncoder.width)
        segments = Embedding(vocabularySize: 2, width: TinyEncoder.width)
        layers = [TinyEncoderLayer(), TinyEncoderLayer()]
        pooler = Linear(inFeatures: TinyEncoder.width, outFeatures: TinyEncoder.width)
    }

    var recomputesBlocks = false
    var contextLength: Int { 12 }

    func hiddenStates(_ tokens: TokenBatch, dtype: DType, cache: KeyValueCache?) -> Tensor {
        let parts = tokens.segments ?? Tensor([Int32](repeating: 0, count: tokens.ids.count), shape: tokens.ids.shape, device: tokens.device)
        let ranges = tokens.ranges(.full)
        var x = embedding(tokens.ids, dtype: dtype) + positions(tokens.places.positions, dtype: dtype) + segments(parts, dtype: dtype)  // [B, T, D]
        for layer in layers {
            let run = { [x] in layer(x, ranges: ranges) }
            x = recomputesBlocks ? checkpointed(run) : run()
        }
        return x
    }

    func summary(_ hidden: Tensor) -> Tensor { pooler(hidden).tanh() }
}

/// Attention and a feed-forward layer, each normed after it is added.
final class TinyEncoderLayer: Module {
    @Child("query") var query: any LinearLayer
    @Child("key") var key: any LinearLayer
    @Child("value") var value: any LinearLayer
    @Child("norm") var norm: LayerNorm
    @Child("up") var up: any LinearLayer
    @Child("down") var down: any LinearLayer

    override init() {
        super.init()
        let width = TinyEncoder.width
        query = Linear(inFeatures: width, outFeatures: width)
        key = Linear(inFeatures: width, outFeatures: width)
        value = Linear(inFeatures: width, outFeatures: width)
        norm = LayerNorm(width: width)
        up = Linear(inFeatures: width, outFeatures: 2 * width)
        down = Linear(inFeatures: 2 * width, outFeatures: width)
    }

    func callAsFunction(_ x: Tensor, ranges: AttentionRanges) -> Tensor {
        let (B, T) = (x.shape[0], x.shape[1])
        func heads(_ projected: Tensor) -> Tensor { projected.reshaped(B, T, TinyEncoder.heads, -1) }  // [B, T, N, H]
        let attended = attention(query: heads(query(x)), key: heads(key(x)), value: heads(value(x)), ranges: ranges)
        let middle = norm(x + attended.reshaped(B, T, -1))  // [B, T, D]
        return norm(middle + down(up(middle).activated(.gelu)))
    }
}

/// The head of masked language modelling: a layer, and the table of token vectors with a bias for each.
final class TinyPredictions: Module, Head {
    @Child("transform") var transform: any LinearLayer
    @Child("decoder") var output: any LinearLayer
    @Weight("bias") var bias: Parameter

    init(_ backbone: any Backbone) {
        super.init()
        transform = Linear(inFeatures: backbone.embedding.width, outFeatures: backbone.embedding.width)
        output = backbone.vocabularyHead(ties: true)
        bias = .placeholder([backbone.embedding.vocabularySize])
    }

    func scores(_ hidden: Tensor) -> Tensor { output.scores(transform(hidden).activated(.gelu)) + bias.tensor }
}

extension Module {
    /// Gives every parameter normal values around 0, norms around 1.
    func randomize(seed: UInt64, deviation: Float = 0.3, device: Device = .cpu) {
        var generator = RandomGenerator(seed: seed)
        for (path, parameter) in namedParameters() {
            let isNorm = path.hasSuffix("norm.weight")
            parameter.value = .normal(parameter.shape, mean: isNorm ? 1 : 0, standardDeviation: deviation, using: &generator, device: device)
        }
    }
}
