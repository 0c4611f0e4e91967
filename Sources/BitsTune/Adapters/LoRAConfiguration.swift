/// The settings of an adapter: PEFT's `LoraConfig`.
public struct LoRAConfiguration: Sendable, Equatable {
    /// Which layers get an adapter.
    public enum Targets: Sendable, Equatable {
        /// Every linear layer but the output head.
        case allLinear
        /// Linear layers and embeddings of these names: a whole path, or its end on a module boundary (`q_proj`).
        case named([String])
        /// Linear layers and embeddings whose whole path this regular expression matches.
        case matching(String)
    }

    /// Which biases of the model are trained with the adapter.
    public enum Biases: String, Sendable, CaseIterable {
        case none
        /// All of the model.
        case all
        /// Those of the layers that get an adapter.
        case adapted = "lora_only"
    }

    /// Ranks that an update may have.
    static let ranks = 1...1 << 20

    /// R, the rank of the update.
    public var rank = 8
    /// The update is scaled by `alpha / rank`, or `alpha / sqrt(rank)` when ``isRankStabilized``.
    public var alpha: Float = 8
    /// The share of an update's input that is dropped in training; embeddings drop nothing.
    public var dropout: Float = 0
    public var targets = Targets.allLinear
    /// rsLoRA (Kalajdzievski 2023, arXiv:2312.03732).
    public var isRankStabilized = false
    /// The name of the model that it was trained on; for readers, nothing goes by it.
    public var baseModel: String?

    /// Ranks of their own, of the layers whose paths an expression matches at their end on a module boundary.
    public var rankPattern: LayerPatterns<Int> = [:]
    /// Alphas of their own.
    public var alphaPattern: LayerPatterns<Float> = [:]
    /// Targets that get no adapter all the same.
    public var excluded: ModuleNames?
    /// The numbers of the blocks whose layers get an adapter; nil for all. For targets that are named one by one.
    public var blocks: [Int]?
    /// What stands before a block's number in a path (`layers`), as expressions; empty for whatever stands there.
    public var blockNames: [String] = []
    /// Modules that are trained and saved whole, and get no adapter: ends of their paths.
    public var modulesToSave: [String] = []
    public var biases = Biases.none
    /// Whether updates of linear layers have a bias of their own. Original: `lora_bias`.
    public var hasUpdateBias = false
    /// DoRA: the norm of each row of an adapted weight is a trained number of its own (Liu et al. 2024, arXiv:2402.09353).
    public var isWeightDecomposed = false
    public var start = LoRAStart.kaiming

    public init(
        rank: Int = 8, alpha: Float = 8, dropout: Float = 0, targets: Targets = .allLinear, isRankStabilized: Bool = false, baseModel: String? = nil
    ) {
        self.rank = rank
        self.alpha = alpha
        self.dropout = dropout
        self.targets = targets
        self.isRankStabilized = isRankStabilized
        self.baseModel = baseModel
    }

    /// What updates are scaled by where no pattern says otherwise.
    public var scale: Float { scale(alpha: alpha, rank: rank) }

    func scale(alpha: Float, rank: Int) -> Float { isRankStabilized ? alpha / Float(rank).squareRoot() : alpha / Float(rank) }
}
