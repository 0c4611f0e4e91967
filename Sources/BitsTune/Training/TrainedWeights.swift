public import BitsCore
public import BitsModels
import BitsNN
import BitsOptim

/// What a run trains: what an adapter has added, all of a model, or some of it.
public struct TrainedWeights {
    /// With their paths in the model, in its order.
    public let parameters: [(path: String, parameter: Parameter)]
    /// nil where the model itself is trained.
    public let adapter: Adapter?
    /// Tables of vectors among them, of tokens or positions.
    let embeddings: [Parameter]
    /// What the parameters were before they were widened.
    private let types: [DType]

    /// All that `adapter` has made trainable in `model`.
    public init(_ adapter: Adapter, in model: TaskModel) {
        self.init(TrainedWeights.unique(model) { _, parameter in parameter.isTrainable }, adapter: adapter, model: model)
    }

    /// Weights of the model itself, the others frozen.
    ///
    /// They are kept in what the policy has for ``BitsNN/ComputePolicy/masterWeights``, float32 unless told otherwise: steps far smaller than a 16-bit weight
    /// can tell are not lost. A product rounds them to the policy's type as it would have rounded a copy, so there is none.
    ///
    /// - Parameter isTrained: says of a path in the model, such as `model.layers.0.mlp.up_proj.weight`, whether it is trained.
    /// - Throws: ``TrainingError/nothingToTrain``. What is quantized cannot be trained, and is left as it is.
    public init(of model: TaskModel, where isTrained: (_ path: String) -> Bool = { _ in true }) throws(TrainingError) {
        let found = TrainedWeights.unique(model) { path, parameter in
            parameter.packed == nil && parameter.dtype.isFloatingPoint && isTrained(path)
        }
        guard !found.isEmpty else { throw .nothingToTrain }
        model.setTrainable(false)
        self.init(found, adapter: nil, model: model)
        for (_, parameter) in found {
            parameter.isTrainable = true
            if parameter.dtype != model.policy.masterWeights { parameter.value = parameter.value.cast(to: model.policy.masterWeights) }
        }
    }

    private init(_ parameters: [(path: String, parameter: Parameter)], adapter: Adapter?, model: TaskModel) {
        self.parameters = parameters
        self.adapter = adapter
        types = parameters.map(\.parameter.dtype)
        let tables = model.namedModules().filter { $0.module is any EmbeddingLayer }.flatMap(\.module.parameters)
        let ids = Set(tables.map { ObjectIdentifier($0.parameter) })
        embeddings = parameters.map(\.parameter).filter { ids.contains(ObjectIdentifier($0)) }
    }

    private static func unique(
        _ model: TaskModel, where isWanted: (String, Parameter) -> Bool
    ) -> [(path: String, parameter: Parameter)] {
        var seen = Set<ObjectIdentifier>()
        return model.namedParameters().filter { isWanted($0.path, $0.parameter) && seen.insert(ObjectIdentifier($0.parameter)).inserted }
    }

    /// The number of trained weights.
    public var count: Int { parameters.reduce(0) { $0 + $1.parameter.count } }

    /// Rounds the weights of a model to the types that they had before they were trained, once: as they are saved.
    public func restoreTypes() {
        for ((_, parameter), type) in zip(parameters, types) where parameter.dtype != type { parameter.value = parameter.value.cast(to: type) }
    }

    /// What single parameters do differently, as the Trainer has it: vectors, which are biases and the weights of norms, do not decay, and tables keep
    /// 32-bit moments.
    var overrides: ParameterOverrides {
        var overrides = ParameterOverrides()
        overrides.add(parameters.map(\.parameter).filter { $0.shape.count == 1 }, ParameterOverride(weightDecay: 0))
        overrides.add(embeddings, ParameterOverride(bits: .thirtyTwo))
        return overrides
    }
}
