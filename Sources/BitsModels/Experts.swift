import BitsCore
import BitsIO
import BitsNN

// Feed-forward layers of many experts of which each token sees a few (Shazeer et al. 2017, arXiv:1701.06538; Fedus et al. 2021, arXiv:2101.03961).
// Shapes: B = batch, T = tokens, D = model width, F = inner width of an expert, E = experts, K = experts that a token sees, R = B T rows.

/// The sizes of a mixture of experts, and what its parts are called in files.
struct ExpertConfiguration {
    /// E
    let experts: Int
    /// K
    let perToken: Int
    /// F
    let innerWidth: Int
    /// Whether the shares of a token's experts add up to 1.
    let normalizesShares: Bool
    /// Of the mixture in its block.
    let name: String
    /// Of an expert's projections.
    let projections: (gate: String, up: String, down: String)

    init(
        _ fields: ConfigurationFields, expertsKey: String, innerWidthKey: String, normalizesShares: Bool, name: String,
        projections: (gate: String, up: String, down: String)
    ) throws(ModelFileError) {
        experts = try fields.requireCount(expertsKey)
        perToken = try fields.requireCount("num_experts_per_tok")
        innerWidth = try fields.requireCount(innerWidthKey)
        try fields.check([(expertsKey, experts, 1 << 12), (innerWidthKey, innerWidth, 1 << 24)])
        guard perToken <= experts else { throw fields.error("has num_experts_per_tok \(perToken), more than the \(experts) experts that there are") }
        (self.normalizesShares, self.name, self.projections) = (normalizesShares, name, projections)
    }

    /// How files name what they have of a mixture as transformers keeps it in memory: experts in two tensors, and the mixture by one name in all families.
    fileprivate var checkpointNames: CheckpointNames {
        var names = CheckpointNames()
        func weights(_ projections: String...) -> [String] { projections.map { "\(name).experts.*.\($0).weight" } }
        names.stacked = Set(["mlp", name]).sorted().flatMap {
            [
                StackedWeights("\($0).experts.gate_up_proj", parts: weights(projections.gate, projections.up)),
                StackedWeights("\($0).experts.down_proj", parts: weights(projections.down)),
            ]
        }
        if name != "mlp" { names.renamed = ["mlp.gate.weight": "\(name).gate.weight"] }
        return names
    }
}

/// A gated feed-forward layer among others.
final class Expert: Module {
    @Child var gate: any LinearLayer
    @Child var up: any LinearLayer
    @Child var down: any LinearLayer
    private let activation: Activation

    init(_ c: LlamaConfiguration, _ e: ExpertConfiguration) {
        _gate = Child(e.projections.gate)
        _up = Child(e.projections.up)
        _down = Child(e.projections.down)
        activation = c.activation
        super.init()
        gate = Linear(inFeatures: c.width, outFeatures: e.innerWidth, bias: false)
        up = Linear(inFeatures: c.width, outFeatures: e.innerWidth, bias: false)
        down = Linear(inFeatures: e.innerWidth, outFeatures: c.width, bias: false)
    }

    func callAsFunction(_ x: Tensor) -> Tensor { down(gated(activation, gate: gate(x), up: up(x))) }
}

/// The experts of a block and the router that chooses among them: `sum_k share_k expert_k(x)` over the K experts of the largest shares.
///
/// The host reads the shares and gives each expert the rows that want it, one product for all of them, so that no weight is read that no token asks for.
/// A router stays in floating point when layers are quantized: its rounding would change which experts compute.
final class ExpertMixture: Module {
    @Child("gate") var router: any LinearLayer
    @Children("experts") var experts: [Expert]
    private let configuration: ExpertConfiguration

    init(_ c: LlamaConfiguration, _ e: ExpertConfiguration) {
        configuration = e
        super.init()
        router = Linear(inFeatures: c.width, outFeatures: e.experts, bias: false)
        experts = (0..<e.experts).map { _ in Expert(c, e) }
    }

    override var routers: [any LinearLayer] { [router] }

    func callAsFunction(_ x: Tensor) -> Tensor {
        let (D, E, K) = (x.shape[x.rank - 1], configuration.experts, configuration.perToken)
        let rows = x.reshaped(-1, D)  // [R, D]
        let R = rows.shape[0]
        let shares = router.scores(rows).softmax()  // [R, E]
        let routes = ExpertRoutes(shares, perToken: K)
        func table(_ indices: [Int]) -> Tensor { Tensor(indices.map { Int32($0) }, device: x.device) }

        let asked = rows.rows(table(routes.order.map { $0 / K }))  // [R K, D], expert by expert
        let parts = zip(experts, routes.ranges).filter { !$1.isEmpty }.map { $0(asked.narrowed(axis: 0, to: $1)) }
        var weights = shares.reshaped(R * E, 1).rows(table(routes.chosen.indices.map { $0 / K * E + routes.chosen[$0] })).reshaped(R, K)
        if configuration.normalizesShares { weights = weights / weights.sum(axis: 1, keepingAxis: true) }
        let weighted = Tensor.concatenated(parts) * weights.reshaped(R * K, 1).rows(table(routes.order))  // [R K, D]
        let sums = (0..<K).map { slot in weighted.rows(table((0..<R).map { routes.places[$0 * K + slot] })) }  // K times [R, D]
        return sums.dropFirst().reduce(sums[0]) { $0 + $1 }.cast(to: x.dtype).reshaped(x.shape)
    }
}

/// Which experts the rows of a pass want, and in which order they are computed. A pair of a row and one of its experts is numbered `row * K + slot`.
struct ExpertRoutes {
    /// The expert of each pair.
    let chosen: [Int]
    /// The pairs, expert by expert.
    let order: [Int]
    /// Of each expert its pairs in ``order``.
    let ranges: [Range<Int>]
    /// Where each pair is in ``order``.
    let places: [Int]

    /// - Parameter shares: float32 [R, E]. Of equal ones the first count.
    init(_ shares: Tensor, perToken: Int) {
        let experts = shares.shape[1]
        // Work that failed is reported where its results are read in the end.
        let values = (try? shares.floats()) ?? [Float](repeating: 0, count: shares.count)
        let chosen = (0..<shares.shape[0]).flatMap { row in
            let own = values[row * experts..<(row + 1) * experts]
            return own.indices.sorted { own[$0] > own[$1] || own[$0] == own[$1] && $0 < $1 }.prefix(perToken).map { $0 - own.startIndex }
        }
        var ranges: [Range<Int>] = []
        var order: [Int] = []
        for expert in 0..<experts {
            let start = order.count
            order += chosen.indices.filter { chosen[$0] == expert }
            ranges.append(start..<order.count)
        }
        var places = [Int](repeating: 0, count: order.count)
        for (place, pair) in order.enumerated() { places[pair] = place }
        (self.chosen, self.order, self.ranges, self.places) = (chosen, order, ranges, places)
    }
}

/// Attention and a mixture of experts, each on the normed residual stream.
final class ExpertBlock: Module, DecoderBlock {
    @Child("self_attn") var attention: LlamaAttention
    @Child var mixture: ExpertMixture
    @Child("input_layernorm") var attentionNorm: RMSNorm
    @Child("post_attention_layernorm") var mixtureNorm: RMSNorm
    private let configuration: ExpertConfiguration

    init(_ c: LlamaConfiguration, _ e: ExpertConfiguration, _ rotary: RotaryTable) {
        configuration = e
        _mixture = Child(e.name)
        super.init()
        attention = LlamaAttention(c, rotary)
        mixture = ExpertMixture(c, e)
        attentionNorm = RMSNorm(width: c.width, epsilon: c.normEpsilon)
        mixtureNorm = RMSNorm(width: c.width, epsilon: c.normEpsilon)
    }

    override var checkpointNames: CheckpointNames { configuration.checkpointNames }

    func callAsFunction(_ x: Tensor, _ pass: DecoderPass, layer: Int) -> Tensor {
        let attended = x + attention(attentionNorm(x), pass, layer: layer)
        return attended + mixture(mixtureNorm(attended))
    }
}

extension ModelFamily {
    /// Mixtral (Jiang et al. 2024, arXiv:2401.04088): Llama with experts in every block.
    static let mixtral = ModelFamily("mixtral", backbone: "model", heads: llama.heads) { (configuration) throws(ModelFileError) in
        var sizes = try LlamaConfiguration(configuration, usualNormEpsilon: 1e-5)
        sizes.window = try configuration.fields.count("sliding_window", orUnlessNull: nil)
        let experts = try ExpertConfiguration(
            configuration.fields, expertsKey: "num_local_experts", innerWidthKey: "intermediate_size", normalizesShares: true,
            name: "block_sparse_moe", projections: (gate: "w1", up: "w3", down: "w2"))
        return Llama(sizes) { _, rotary in ExpertBlock(sizes, experts, rotary) }
    }

    /// Qwen 3 with experts in all blocks, or in some.
    static let qwen3Experts = ModelFamily("qwen3_moe", backbone: "model", heads: llama.heads) { (configuration) throws(ModelFileError) in
        let fields = configuration.fields
        var sizes = try LlamaConfiguration(configuration)
        sizes.normsQueriesAndKeys = true
        if try fields.value("use_sliding_window", default: false) { sizes.window = try fields.count("sliding_window", orUnlessNull: 4096) }
        let experts = try ExpertConfiguration(
            fields, expertsKey: fields.key("num_local_experts", "num_experts"), innerWidthKey: "moe_intermediate_size",
            normalizesShares: try fields.value("norm_topk_prob", default: false), name: "mlp",
            projections: (gate: "gate_proj", up: "up_proj", down: "down_proj"))
        let step = try fields.count("decoder_sparse_step", default: 1)
        let plain = try fields.value("mlp_only_layers", default: [Int]())
        return Llama(sizes) { layer, rotary in
            if plain.contains(layer) || (layer + 1) % step != 0 { return LlamaBlock(sizes, rotary) }
            return ExpertBlock(sizes, experts, rotary)
        }
    }
}
