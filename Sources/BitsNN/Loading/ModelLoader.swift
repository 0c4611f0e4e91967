import BitsCore
import BitsQuant

/// Fills a model's placeholders from a source, one layer after the other.
///
/// What is wrong with the source is gathered, so that one error can name it all.
final class ModelLoader {
    private let model: Module
    private let source: any WeightSource
    private let options: LoadOptions
    private let progress: (Double) -> Void
    private let names: CheckpointNames
    private let keepingFloat32: [ModulePattern]
    /// All names of the parameters that have more than one.
    private let sharedNames: [ObjectIdentifier: [String]]
    /// Bytes of all entries, and of those that were taken.
    private let byteCount: Int?
    private var takenByteCount = 0
    private var taken: Set<String> = []
    /// Parameters that have their value.
    private var filled: Set<ObjectIdentifier> = []
    private var problems: [LayerError] = []
    /// The names that problems were noted of.
    private var failed: Set<String> = []

    init(_ model: Module, _ source: any WeightSource, options: LoadOptions, progress: @escaping (Double) -> Void) throws {
        (self.model, self.source, self.options, self.progress) = (model, source, options, progress)
        names = model.checkpointNames
        keepingFloat32 = options.keepingFloat32.map(ModulePattern.init)
        sharedNames = model.sharedNames
        byteCount = try source.names?.reduce(0) { try $0 + (source.entry($1)?.byteCount ?? 0) }
    }

    func run() throws -> ModelReport {
        var report = try model.replaceLayers(options.quantization, stored: quantizedLayer, other: fill, newLayer)
        if problems.count > 1 { throw LayerError.several(problems) }
        if let problem = problems.first { throw problem }
        report.unused = (source.names ?? []).filter { !taken.contains($0) && !names.isUnused($0) }
        report.computeDType = options.computeDType ?? options.quantization.layers?.computeDType ?? .float32
        report.byteCountBefore = byteCount ?? takenByteCount
        return report
    }
}

// MARK: - Layers

extension ModelLoader {
    /// The layer as the source holds it quantized; nil where it does not.
    private func quantizedLayer(_ layer: ModelPlan.Layer, _ module: Module) throws -> NewLayer? {
        let before = takenByteCount
        func part(_ name: String) -> [String] { names.candidates("\(layer.path).\(name)") }
        do {
            guard let type = try WeightEntry.quantizedType({ try located(part($0))?.entry }) else { return nil }
            let weight = try type.init(named: "weight", as: options.dtype ?? .float16) { name in
                try counted(as: name == "weight" ? .weights : .statistics) { () throws in try located(part(name)).flatMap { try take($0) } }
            }
            guard weight.shape == layer.weight.shape else {
                return fail(.unsuitableEntry(layer.weight.name, expected: "\(layer.weight.shape)", found: "\(weight.formatName) \(weight.shape)"))
            }
            if let linear = module as? Linear, let bias = linear.bias { try fill(bias, "bias", in: layer.path) }
            let new = try self.layer(of: weight, like: module, asked: options.quantization.quantization(of: layer))
            return NewLayer(module: new, form: weight.formatName, wasQuantized: true, byteCountBefore: takenByteCount - before)
        } catch let error as QuantizationError {
            return fail(.unsuitableWeight(layer.weight.name, error))
        }
    }

    /// The layer of a weight that is quantized already. It computes as it is asked for where a layer of its kind is.
    private func layer(of weight: any QuantizedTensor, like module: Module, asked: Quantization?) throws(QuantizationError) -> Module {
        let linear = module as? Linear
        switch weight {
        case let weight as FourBitTensor:
            guard let linear else { return Embedding4bit(weight: weight, dtype: options.dtype) }
            return Linear4bit(weight: weight, bias: linear.bias, computeDType: options.computeDType ?? asked?.computeDType ?? linear.computeDType)
        case let weight as Int8Tensor:
            var threshold = options.outlierThreshold
            if case .int8(let asked, _)? = asked { threshold = asked }
            guard let linear else { return Embedding8bit(weight: weight, outlierThreshold: threshold) }
            return Linear8bitLt(weight: weight, bias: linear.bias, outlierThreshold: threshold)
        default: throw .unknownFormat(weight.formatName)
        }
    }

    /// The layer quantized as it is asked for, of a weight in floating point.
    private func newLayer(_ layer: ModelPlan.Layer, _ module: Module, _ form: Quantization) throws -> NewLayer? {
        let before = takenByteCount
        guard let placeholder = module.parameters.first?.parameter, let weight = try value(of: placeholder, "weight", in: layer.path) else {
            return nil
        }
        var (form, trains) = (form, false)
        if case .int8(_, true) = form { trains = true }
        let new: Module
        do {
            if let linear = module as? Linear {
                if let bias = linear.bias { try fill(bias, "bias", in: layer.path) }
                form.computeDType = options.computeDType ?? form.computeDType ?? linear.computeDType
                new = try form.layer(Linear(weight: Parameter(weight, isTrainable: trains), bias: linear.bias))
            } else {
                new = try form.layer(Embedding(weight: Parameter(weight, isTrainable: false)))
            }
        } catch let error as QuantizationError {
            return fail(.unsuitableWeight(layer.weight.name, error))
        }
        if !trains, let name = try located(candidates(of: placeholder, layer.weight.name))?.name { source.release(name) }
        return NewLayer(module: new, form: form.formatName, byteCountBefore: takenByteCount - before)
    }

    /// Notes a problem; there is no layer then.
    private func fail(_ problem: LayerError) -> NewLayer? {
        problems.append(problem)
        if let name = problem.name { failed.insert(name) }
        return nil
    }
}

// MARK: - Parameters

extension ModelLoader {
    /// Gives the parameters of a module that stays where it is their values.
    private func fill(_ path: String, _ module: Module) throws {
        if let computeDType = options.computeDType {
            (module as? Linear)?.computeDType = computeDType
            (module as? TiedLinear)?.computeDType = computeDType
        }
        for (name, parameter) in module.parameters { try fill(parameter, name, in: path) }
    }

    private func fill(_ parameter: Parameter, _ name: String, in path: String) throws {
        guard !filled.contains(ObjectIdentifier(parameter)), let value = try value(of: parameter, name, in: path) else { return }
        parameter.value = value
        parameter.isTrainable = false
        filled.insert(ObjectIdentifier(parameter))
    }

    /// The value that the source has for a parameter, in the type that is asked for; nil where there is none, which is noted once.
    private func value(of parameter: Parameter, _ name: String, in path: String) throws -> Tensor? {
        if filled.contains(ObjectIdentifier(parameter)) { return parameter.value }
        let full = path.isEmpty ? name : "\(path).\(name)"
        guard !failed.contains(full) else { return nil }
        let dtype = keepingFloat32.contains { $0.matches(path) } ? .float32 : options.dtype
        guard let found = try located(candidates(of: parameter, full)) else {
            if names.isOptional(full) { return .zeros(parameter.shape, dtype: dtype ?? .float32, device: options.device) }
            _ = fail(.missingEntry(full, shape: parameter.shape))
            return nil
        }
        let isTransposed = name == "weight" && names.isTransposed(path)
        let shape = isTransposed ? parameter.shape.reversed() : parameter.shape
        guard found.entry.dtype?.isFloatingPoint == true, found.entry.shape == shape, let tensor = try take(found) else {
            _ = fail(.unsuitableEntry(full, expected: "floating point \(shape)", found: "\(found.entry)"))
            return nil
        }
        let value = (isTransposed ? tensor.transposed().contiguous() : tensor).cast(to: dtype ?? tensor.dtype)
        if isTransposed || value.dtype != tensor.dtype { source.release(found.name) }
        return value
    }

    /// The names under which a parameter may be found: its own, and those that other modules have for it.
    private func candidates(of parameter: Parameter, _ name: String) -> [String] {
        let others = (sharedNames[ObjectIdentifier(parameter)] ?? []).filter { $0 != name }
        return ([name] + others).flatMap(names.candidates)
    }
}

// MARK: - Entries

extension ModelLoader {
    private typealias Found = (name: String, entry: WeightEntry)

    /// The first of these entries that is there.
    private func located(_ candidates: [String]) throws -> Found? {
        for name in candidates {
            if let entry = try source.entry(name) { return (name, entry) }
        }
        return nil
    }

    private func take(_ found: Found) throws -> Tensor? {
        let tensor = try source.tensor(found.name, on: options.device)
        if taken.insert(found.name).inserted {
            takenByteCount += found.entry.byteCount
            if let byteCount { progress(Double(takenByteCount) / Double(max(1, byteCount))) }
        }
        return tensor
    }
}

extension Module {
    /// The names of the parameters of the tree that have more than one.
    fileprivate var sharedNames: [ObjectIdentifier: [String]] {
        var names: [ObjectIdentifier: [String]] = [:]
        for (path, parameter) in namedParameters() { names[ObjectIdentifier(parameter), default: []].append(path) }
        return names.filter { $0.value.count > 1 }
    }
}
