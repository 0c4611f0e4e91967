import BitsCore
public import BitsModels
import BitsNN

/// What a configuration makes of a model, by names and shapes alone: the model may be without weights, and no memory is taken.
///
/// ```swift
/// let plan = try AdapterPlan(LoRAConfiguration(rank: 16), for: model)
/// print(plan.parameterCount)  // 41943040 for Llama 3.1 8B
/// ```
public struct AdapterPlan: Sendable {
    /// A layer that gets an adapter.
    public struct Layer: Sendable, Equatable {
        public let path: String
        public let isEmbedding: Bool
        /// K, the width of the input; of an embedding the size of its vocabulary.
        public let inFeatures: Int
        /// N, the width of the output.
        public let outFeatures: Int
        /// R
        public let rank: Int
        public let scale: Float
        /// Numbers in its factors and what else is trained with them.
        public let parameterCount: Int
    }

    /// A parameter of the model that is trained whole.
    public struct Whole: Sendable, Equatable {
        /// Its name in the adapter's file, without PEFT's prefix.
        public let name: String
        public let shape: [Int]
        /// Whether PEFT counts it twice: as it was, and as it is trained.
        let isCopied: Bool
    }

    /// In the model's order.
    public let layers: [Layer]
    public let whole: [Whole]

    /// The number of trained weights.
    public var parameterCount: Int { layers.reduce(0) { $0 + $1.parameterCount } + whole.reduce(0) { $0 + $1.shape.reduce(1, *) } }

    /// - Throws: ``AdapterError`` for settings out of range or against one another, and for targets none of which matches, or that cannot be adapted. A name that
    ///   matches nothing beside others that do is passed over, as in an adapter's file; making an adapter refuses it.
    public init(_ configuration: LoRAConfiguration, for model: TaskModel) throws(AdapterError) {
        try configuration.check()
        let selection = try AdapterSelection(configuration, for: model)
        let ranks = try configuration.rankPattern.lookup()
        let alphas = try configuration.alphaPattern.lookup()
        var layers: [Layer] = []
        for (path, module) in selection.adapted {
            let rank = ranks(path) ?? configuration.rank
            guard
                let (inFeatures, outFeatures) = (module as? any LinearLayer).map({ ($0.inFeatures, $0.outFeatures) })
                    ?? (module as? any EmbeddingLayer).map({ ($0.vocabularySize, $0.width) })
            else { throw .notAdaptable(path: path, type: "\(type(of: module))") }
            let isEmbedding = module is any EmbeddingLayer
            if isEmbedding && configuration.hasUpdateBias { throw .contradiction("updates of embeddings have no bias, and '\(path)' is one") }
            let extra = (configuration.hasUpdateBias ? outFeatures : 0) + (configuration.isWeightDecomposed ? outFeatures : 0)
            layers.append(
                Layer(
                    path: path, isEmbedding: isEmbedding, inFeatures: inFeatures, outFeatures: outFeatures, rank: rank,
                    scale: configuration.scale(alpha: alphas(path) ?? configuration.alpha, rank: rank),
                    parameterCount: rank * (inFeatures + outFeatures) + extra))
        }
        self.layers = layers
        whole = selection.whole.map { Whole(name: $0.name, shape: $0.parameter.shape, isCopied: $0.isCopied) }
    }
}

extension LoRAConfiguration {
    /// What can be said of settings without a model.
    func check() throws(AdapterError) {
        for rank in [rank] + rankPattern.entries.map(\.value) where !LoRAConfiguration.ranks.contains(rank) { throw .badRank(rank) }
        if hasUpdateBias && isWeightDecomposed { throw .contradiction("an update has a bias of its own or is weight-decomposed (DoRA), not both") }
        if hasUpdateBias && start != .kaiming && start != .random {
            throw .contradiction("updates with a bias of their own start from kaiming or random values")
        }
        if case .named = targets { return }
        if blocks != nil || !blockNames.isEmpty {
            throw .contradiction("blocks are chosen for targets that are named one by one; an expression says itself which it means")
        }
    }
}
