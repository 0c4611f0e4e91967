public import BitsCore
import BitsQuant

extension Module {
    /// Fills a model that was built without weights, quantizing its layers on the way: never more in memory than the model as it will be and one layer.
    ///
    /// ```swift
    /// let model = MyModel(from: WeightScope(EmptyWeights()))
    /// let report = try model.loadAndQuantize(to: .fourBit(.nf4, computeDType: .bfloat16)) { name in try checkpoint.tensor(name) }
    /// ```
    /// A layer whose weight the checkpoint holds quantized is taken as it is, whatever is asked for. All parameters are frozen.
    ///
    /// - Parameters:
    ///   - form: what linear layers become; those to be skipped, and all other weights, are loaded as they are.
    ///   - embeddings: what embeddings become; nil keeps them.
    ///   - skipping: as in ``quantize(to:embeddings:skipping:)``.
    ///   - dtype: of all weights that are not quantized, and what layers are quantized from; nil for the checkpoint's.
    ///   - keepingFloat32: modules whose parameters stay, or become, float32; see ``ModulePattern``.
    ///   - entry: the tensor under a full name; nil where the checkpoint has none. Each weight is asked for when its turn comes; one that two modules
    ///     share is looked for under each of its names, its module's own first.
    /// - Throws: ``LayerError`` for an entry that is missing or of another shape, ``BitsQuant/QuantizationError``, or what `entry` throws; some weights are
    ///   loaded then. Reference: accelerate's `load_and_quantize_model`.
    @discardableResult
    public func loadAndQuantize(
        to form: LayerQuantization, embeddings: LayerQuantization? = nil, skipping: [String]? = nil, dtype: DType? = nil,
        keepingFloat32: [String] = [], device: Device = .cpu, from entry: @escaping (_ name: String) throws -> Tensor?
    ) throws -> QuantizationReport {
        let source = EntrySource(
            owners: sharedNames, dtype: dtype, keepingFloat32: keepingFloat32.map(ModulePattern.init), device: device, entry: entry)
        func stored(path: String, module: Module) throws -> (form: String, layer: Module)? {
            try LayerError.within(path) {
                if let linear = module as? Linear { return try source.quantizedLayer(path, like: linear, form: form) }
                if let table = module as? Embedding { return try source.quantizedTable(path, like: table) }
                return nil
            }
        }
        var report = try replaceLayers(skipping: skipping, stored: stored) { path, module in
            if let linear = module as? Linear {
                let weight = try source.parameter(linear.weight, "weight", in: path)
                let bias = try linear.bias.map { try source.parameter($0, "bias", in: path) }
                return (form.name, try form.layer(Linear(weight: weight, bias: bias, computeDType: linear.computeDType)))
            }
            guard let embeddings, let table = module as? Embedding else { return nil }
            return (embeddings.name, try embeddings.layer(Embedding(weight: try source.parameter(table.weight, "weight", in: path))))
        }
        let done = Set(report.quantized.map(\.path))
        for (path, module) in namedModules() where !done.contains(path) {
            for (name, parameter) in module.parameters { try source.fill(parameter, name, in: path) }
        }
        report.byteCountBefore = source.byteCount
        report.byteCount = byteCount
        return report
    }
}

extension Module {
    /// The parameters of the tree that have more than one name, with their names.
    fileprivate var sharedNames: [(parameter: Parameter, names: [String])] {
        var names: [ObjectIdentifier: [String]] = [:]
        var parameters: [Parameter] = []
        for (path, module) in namedModules() {
            for (name, parameter) in module.parameters {
                if names[ObjectIdentifier(parameter)] == nil { parameters.append(parameter) }
                names[ObjectIdentifier(parameter), default: []].append(path.isEmpty ? name : "\(path).\(name)")
            }
        }
        return parameters.compactMap { parameter in
            names[ObjectIdentifier(parameter)].flatMap { $0.count > 1 ? (parameter, $0) : nil }
        }
    }
}

/// Where a model's weights come from, and what has been taken from there.
private final class EntrySource {
    private let dtype: DType?
    private let keepingFloat32: [ModulePattern]
    private let device: Device
    private let entry: (String) throws -> Tensor?
    private var filled: Set<ObjectIdentifier> = []
    /// Parts of the layer whose turn it is that were looked at already.
    private var ahead: [String: Tensor] = [:]
    /// Parameters with more than one name, and the names.
    private let owners: [(parameter: Parameter, names: [String])]
    private var sizes: [String: Int] = [:]

    init(
        owners: [(parameter: Parameter, names: [String])], dtype: DType?, keepingFloat32: [ModulePattern], device: Device,
        entry: @escaping (String) throws -> Tensor?
    ) {
        self.owners = owners
        (self.dtype, self.keepingFloat32, self.device, self.entry) = (dtype, keepingFloat32, device, entry)
    }

    /// Bytes of all entries that were taken.
    var byteCount: Int { sizes.values.reduce(0, +) }

    /// The layer at `path` as the checkpoint holds it quantized, computing as `form` says where that is of the same kind; nil if it does not.
    func quantizedLayer(_ path: String, like linear: Linear, form: LayerQuantization) throws -> (form: String, layer: Module)? {
        func part(_ name: String) throws -> Tensor? { try taken("\(path).\(name)") }
        let layer: LinearLayer
        let name: String
        switch try storedForm(path) {
        case .fourBit?:
            var computeDType = linear.computeDType
            if case .fourBit(_, _, _, _, let asked) = form { computeDType = asked ?? computeDType }
            let packed = try Linear4bit(computeDType: computeDType, entries: part)
            (name, layer) = (packed.weight.format.rawValue, packed)
        case .int8?:
            var threshold: Float = 6
            if case .int8(let asked, _) = form { threshold = asked }
            (name, layer) = ("int8", try Linear8bitLt(dtype: dtype ?? .float16, outlierThreshold: threshold, entries: part))
        case nil: return nil
        }
        try check([layer.outFeatures, layer.inFeatures], is: linear.weight.shape)
        return (name, layer)
    }

    /// The table at `path` as the checkpoint holds it quantized; nil if it does not.
    func quantizedTable(_ path: String, like table: Embedding) throws -> (form: String, layer: Module)? {
        func part(_ name: String) throws -> Tensor? { try taken("\(path).\(name)") }
        let layer: EmbeddingLayer
        let name: String
        switch try storedForm(path) {
        case .fourBit?:
            let packed = try Embedding4bit(dtype: dtype, entries: part)
            (name, layer) = (packed.weight.format.rawValue, packed)
        case .int8?: (name, layer) = ("int8", try Embedding8bit(dtype: dtype ?? .float16, entries: part))
        case nil: return nil
        }
        try check([layer.vocabularySize, layer.width], is: table.weight.shape)
        return (name, layer)
    }

    /// How the checkpoint holds the weight of the module at `path`; nil where it is plain. The parts that were asked for are kept for ``taken(_:)``.
    private func storedForm(_ path: String) throws -> QuantizedForm? {
        ahead = [:]
        return try QuantizedForm { name in
            let name = path.isEmpty ? name : "\(path).\(name)"
            guard let tensor = try entry(name) else { return nil }
            ahead[name] = tensor
            return QuantizedForm.Part(dtype: tensor.dtype, typeName: tensor.dtype.rawValue, shape: tensor.shape)
        }
    }

    private func check(_ found: [Int], is expected: [Int]) throws {
        if found != expected { throw LayerError.unsuitableEntry("weight", expected: "\(expected)", found: "\(found)") }
    }

    /// A frozen parameter like `placeholder` with the value of the entry `name` of the module at `path`.
    func parameter(_ placeholder: Parameter, _ name: String, in path: String) throws -> Parameter {
        let full = path.isEmpty ? name : "\(path).\(name)"
        guard let tensor = try taken(full) ?? takenElsewhere(placeholder, full) else { throw LayerError.missingEntry(full) }
        guard tensor.dtype.isFloatingPoint, tensor.shape == placeholder.shape else {
            throw LayerError.unsuitableEntry(
                full, expected: "floating point \(placeholder.shape)", found: "\(tensor.dtype.rawValue) \(tensor.shape)")
        }
        let isFloat32 = keepingFloat32.contains { $0.matches(path) }
        return Parameter(tensor.cast(to: isFloat32 ? .float32 : dtype ?? tensor.dtype), isTrainable: false)
    }

    /// Gives `placeholder` its value, once.
    func fill(_ placeholder: Parameter, _ name: String, in path: String) throws {
        guard filled.insert(ObjectIdentifier(placeholder)).inserted else { return }
        placeholder.value = try parameter(placeholder, name, in: path).value
        placeholder.isTrainable = false
    }

    /// The value of `placeholder` under another of its names than `name`.
    private func takenElsewhere(_ placeholder: Parameter, _ name: String) throws -> Tensor? {
        for other in owners.first(where: { $0.parameter === placeholder })?.names ?? [] where other != name {
            if let tensor = try taken(other) { return tensor }
        }
        return nil
    }

    private func taken(_ name: String) throws -> Tensor? {
        guard let tensor = try (ahead.removeValue(forKey: name) ?? entry(name))?.moved(to: device) else { return nil }
        sizes[name] = tensor.count * tensor.dtype.byteCount
        return tensor
    }
}
