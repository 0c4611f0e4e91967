public import BitsCore
public import BitsModels
public import BitsNN

/// The trained updates of a model's layers, as one thing: to train, to save, to load, to weigh, to disable, to remove.
///
/// Several adapters may be on a model; what each adds is added up. The one that was put on last is trained.
/// ```swift
/// let style = try Adapter(ModelFolder(path: "style"), on: model)
/// let facts = try Adapter(ModelFolder(path: "facts"), on: model)
/// style.weight = 0.5
/// facts.isEnabled = false
/// ```
public final class Adapter {
    public let configuration: LoRAConfiguration
    /// The adapted layers with their paths in the model without adapters, in the model's order.
    public let layers: [(path: String, layer: any LoRALayer)]
    /// What of the model is trained whole.
    var whole: WholeParameters
    let facts: AdaptedModelFacts
    /// Why the model may be another one than that which the adapter's file was made for, in words; nil where nothing says so.
    public internal(set) var doubt: String?

    /// How much of the updates counts: 1 unless told otherwise. What is trained whole counts as a whole. Reference: PEFT's `set_scale`.
    public var weight: Float = 1 {
        didSet { setShares() }
    }

    /// Whether the model computes with it: a disabled adapter changes nothing, and does not lose what it has learned.
    public var isEnabled = true {
        didSet {
            setShares()
            whole.setEnabled(isEnabled)
        }
    }

    private func setShares() {
        for (_, layer) in layers { layer.share = isEnabled ? weight : 0 }
    }

    /// Freezes `model` and puts a fresh adapter around each layer that `configuration` names; the model computes what it did until it is trained.
    ///
    /// Models that classify train their head too, see ``LoRAConfiguration/modulesToSave``.
    ///
    /// - Parameter original: the weights that a quantized model was made of (``BitsModels/CheckpointSource``), for starts that are computed from them.
    /// - Throws: ``AdapterError`` when no layer is named, a name matches nothing, or a setting is out of range. The model is unchanged then.
    public convenience init(
        on model: TaskModel, _ configuration: LoRAConfiguration, original: (any WeightSource)? = nil, using generator: inout RandomGenerator
    ) throws(AdapterError) {
        try configuration.checkNames(in: model)
        let configuration = configuration.completed(for: model)
        let (device, dtype) = (model.computeDevice, model.policy.masterWeights)
        let weights = original.map { OriginalWeights(source: $0, names: model.checkpointNames, device: device) }
        let maker = LoRALayerMaker(configuration: configuration, dtype: dtype, device: device, original: weights)
        try self.init(configuration, on: model) { plan, module throws(AdapterError) in
            try maker.layer(plan, around: module, using: &generator)
        }
    }

    /// Puts the layers that `make` gives in the place of those that `configuration` names, and freezes the rest of `model`.
    init(
        _ configuration: LoRAConfiguration, on model: TaskModel,
        _ make: (AdapterPlan.Layer, Module) throws(AdapterError) -> any LoRALayer
    ) throws(AdapterError) {
        let (plan, selection) = (try AdapterPlan(configuration, for: model), try AdapterSelection(configuration, for: model))
        var layers: [(path: String, layer: any LoRALayer)] = []
        for (layer, (_, module)) in zip(plan.layers, selection.adapted) {
            layers.append((layer.path, try counted(as: .adapters) { () throws(AdapterError) in try make(layer, module) }))
        }
        let places = Dictionary(uniqueKeysWithValues: layers.map { ($0.path, $0.layer) })
        var unsuitable: AdapterError?
        model.replaceModules("") { path, module, fits in
            if let layer = places[path], !fits(layer), unsuitable == nil { unsuitable = .notReplaceable(path: path, type: "\(type(of: module))") }
            return nil
        }
        if let unsuitable { throw unsuitable }
        model.setTrainable(false)
        model.replaceModules { path, _ in places[path] }
        for (_, layer) in layers {
            for (_, parameter) in layer.parameters { parameter.isTrainable = true }
        }
        self.configuration = configuration
        self.layers = layers
        do { facts = try AdaptedModelFacts(model, adapted: layers.map(\.path)) } catch { throw .device(error) }
        whole = WholeParameters(selection, in: model, dtype: model.policy.masterWeights)
        for parameter in whole.parameters { parameter.isTrainable = true }
        model.apply(model.policy)
    }

    /// The trained parameters, layer by layer: A, B, and what else a layer has; then what is trained whole.
    public var parameters: [Parameter] { layers.flatMap { $0.layer.parameters.map(\.parameter) } + whole.parameters }

    /// Whether the adapter has changed the quantized weights around which it stands, so that it is good for these alone, and to be saved with them:
    /// ``remove(from:)`` leaves the model that it is for.
    public var hasOwnBase: Bool {
        if case .loftQ(let rounds) = configuration.start { rounds > 1 } else { false }
    }

    /// The number of trained weights.
    public var parameterCount: Int { parameters.reduce(0) { $0 + $1.count } }

    /// Lets the passes from now on drop what `seed` and the number `pass`, from 1, stand for: to be called before each. Every layer has its own masks.
    public func setDropout(seed: UInt64, pass: Int) {
        for (index, entry) in layers.enumerated() {
            entry.layer.dropoutSource = RandomGenerator(seed: seed, stream: UInt64(index) << 32 | UInt64(UInt32(pass)))
        }
    }

    /// Turns dropout off, as for evaluation.
    public func removeDropout() {
        for entry in layers { entry.layer.dropoutSource = nil }
    }
}

extension LoRAConfiguration {
    /// The settings with the modules that PEFT trains whole in models that classify.
    fileprivate func completed(for model: TaskModel) -> LoRAConfiguration {
        guard model is SequenceClassifier || model is TokenClassifier else { return self }
        var completed = self
        completed.modulesToSave += ["classifier", "score"].filter { !modulesToSave.contains($0) }
        return completed
    }
}
