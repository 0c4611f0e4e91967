public import BitsCore
public import BitsNN
import BitsIO

// BERT (Devlin et al. 2019, arXiv:1810.04805).
// Shapes: B = batch, T = tokens, S = sequences, D = model width, N = heads, H = head width.

/// Attention to the whole sequence.
final class BertAttention: Module, EncoderAttention {
    @Child("self.query") var query: any LinearLayer
    @Child("self.key") var key: any LinearLayer
    @Child("self.value") var value: any LinearLayer
    @Child("output.dense") var output: any LinearLayer
    @Child("output.LayerNorm") var norm: LayerNorm
    private let heads: Int

    init(_ c: EncoderConfiguration) {
        heads = c.heads
        super.init()
        query = Linear(inFeatures: c.width, outFeatures: c.width)
        key = Linear(inFeatures: c.width, outFeatures: c.width)
        value = Linear(inFeatures: c.width, outFeatures: c.width)
        output = Linear(inFeatures: c.width, outFeatures: c.width)
        norm = LayerNorm(width: c.width, epsilon: c.normEpsilon)
    }

    func callAsFunction(_ x: Tensor, _ pass: EncoderPass) -> Tensor {
        let q = query(x).splitIntoHeads(heads)  // [B, T, N, H]
        let (k, v) = (key(x).splitIntoHeads(heads), value(x).splitIntoHeads(heads))
        return norm(x + output(attention(query: q, key: k, value: v, ranges: pass.ranges).reshaped(x.shape)))  // [B, T, D]
    }
}

/// The stack of blocks on the embeddings, and the layer that makes one vector of a sequence.
public final class Bert: Module, Backbone {
    @Child("embeddings") var embeddings: EncoderEmbeddings
    @Children("encoder.layer") var blocks: [EncoderBlock]
    /// Of the first token's hidden state; a model that does not need it has none.
    @Child("pooler.dense") var pooler: (any LinearLayer)?
    public let configuration: EncoderConfiguration
    public var recomputesBlocks = false

    /// The backbone without weights, see ``BitsNN/Module/load(from:options:progress:)``.
    public init(_ c: EncoderConfiguration, hasPooler: Bool) {
        configuration = c
        super.init()
        embeddings = EncoderEmbeddings(c)
        blocks = (0..<c.layers).map { _ in EncoderBlock(c, attention: BertAttention(c)) }
        pooler = hasPooler ? Linear(inFeatures: c.width, outFeatures: c.width) : nil
    }

    public var embedding: any EmbeddingLayer { embeddings.tokens }
    public var contextLength: Int { configuration.contextLength }

    public override var checkpointNames: CheckpointNames {
        var names = CheckpointNames()
        names.renamed = ["LayerNorm.gamma": "LayerNorm.weight", "LayerNorm.beta": "LayerNorm.bias"]
        // Numbers from 0 that old checkpoints hold, and what the checkpoint of a pretrained model has for the sentence that follows.
        names.unused = ["embeddings.position_ids", "cls.seq_relationship"]
        if pooler == nil { names.unused += ["pooler.dense.weight", "pooler.dense.bias"] }
        return names
    }

    public func hiddenStates(_ tokens: TokenBatch, dtype: DType, cache: KeyValueCache?) -> Tensor {
        precondition(cache == nil, "an encoder keeps nothing: its tokens see those that come after them")
        let pass = EncoderPass(ranges: tokens.ranges(.full), recomputes: recomputesBlocks)
        return pass.run(blocks, on: embeddings(tokens, dtype: dtype))  // [B, T, D]
    }

    /// `tanh(pooler(x))`, [S, D].
    public func summary(_ hidden: Tensor) -> Tensor { pooler.map { $0(hidden).tanh() } ?? hidden }
    public var summaryPath: String? { "pooler" }
}

extension ModelFamily {
    static let bert = ModelFamily(
        "bert", backbone: "bert",
        heads: [
            .maskedLanguageModeling: .predictions(.bert), .sequenceClassification: .labels("classifier", bias: true),
            .tokenClassification: .labels("classifier", bias: true),
        ], summary: .first
    ) { (configuration, task) throws(ModelFileError) in
        let hasPooler = task == .sequenceClassification || task == .featureExtraction
        return try Bert(EncoderConfiguration(configuration), configuration.fields, hasPooler: hasPooler)
    }
}

extension Bert {
    /// The backbone of these sizes, unless `fields` ask for what is not implemented.
    ///
    /// - Throws: ``BitsIO/ModelFileError/unsupported(path:_:)`` for positions that are not a table's.
    convenience init(_ sizes: EncoderConfiguration, _ fields: ConfigurationFields, hasPooler: Bool) throws(ModelFileError) {
        let positions = try fields.value("position_embedding_type", default: "absolute")
        guard positions == "absolute" else {
            throw .unsupported(path: fields.path, "has position_embedding_type '\(positions)'; supported is absolute")
        }
        self.init(sizes, hasPooler: hasPooler)
    }
}
